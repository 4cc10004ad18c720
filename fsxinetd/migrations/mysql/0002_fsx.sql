-- What fsx adds to the nine tables. A database without these is read with the defaults.
-- A column that is there already is left as it is.

ALTER TABLE LCRRates ADD COLUMN InitialIncrement INT UNSIGNED NOT NULL DEFAULT 1;
ALTER TABLE LCRRates ADD COLUMN NextIncrement INT UNSIGNED NOT NULL DEFAULT 1;

-- DialString: a template; empty takes sofia/gateway/gw${ID}/${number}.
ALTER TABLE CarrierGateway ADD COLUMN DialString VARCHAR(300) NOT NULL DEFAULT 'sofia/gateway/gw${ID}/${number}';
ALTER TABLE CarrierGateway ADD COLUMN Weight INT UNSIGNED NULL;
ALTER TABLE CarrierGateway ADD COLUMN MaxCPS INT UNSIGNED NULL;
ALTER TABLE CarrierGateway ADD COLUMN StopCauses VARCHAR(200) NOT NULL DEFAULT '';

-- Hours of a named period in its own time zone. Days: names or ISO numbers, ranges and commas
-- (Mon-Fri, Sat,Sun, 1-5); empty is every day. EndTime is not in the period; 24:00:00 is the end of
-- the day; an EndTime not after StartTime runs into the next day. Rows of one Name add up.
CREATE TABLE IF NOT EXISTS Periods (
    Name VARCHAR(40) NOT NULL,
    TimeZone VARCHAR(64) NOT NULL DEFAULT 'UTC',
    Days VARCHAR(40) NOT NULL DEFAULT '',
    StartTime TIME NOT NULL DEFAULT '00:00:00',
    EndTime TIME NOT NULL DEFAULT '24:00:00'
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Rate: worth of one unit in the base currency. Older than fx_max_age: as if not there.
CREATE TABLE IF NOT EXISTS FxRates (
    Currency VARCHAR(3) NOT NULL PRIMARY KEY,
    Rate DECIMAL(18,9) NOT NULL,
    AsOf DATETIME NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- CallCostLimit is in the base currency; null is no limit.
CREATE TABLE IF NOT EXISTS Orgs (
    OrgID INT UNSIGNED NOT NULL PRIMARY KEY,
    HomeCountry VARCHAR(2) NOT NULL DEFAULT '',
    DataCentre VARCHAR(200) NOT NULL DEFAULT '',
    CallCostLimit DECIMAL(18,9) NULL,
    Profile VARCHAR(40) NOT NULL DEFAULT '',
    RetailCarrierID INT UNSIGNED NULL,
    MarginAbs DECIMAL(18,9) NULL,
    MarginRel DECIMAL(18,9) NULL,
    AllowedLoss DECIMAL(18,9) NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS WholesaleCallCostCache (
    OrgID INT UNSIGNED NOT NULL PRIMARY KEY,
    Cost DECIMAL(18,9) NOT NULL DEFAULT 0,
    Time DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Pattern is matched against E.164 digits. Action: BLOCK or ALLOW; the first that matches decides.
CREATE TABLE IF NOT EXISTS DiallingRules (
    ID INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    OrgID INT UNSIGNED NOT NULL DEFAULT 0,
    Pattern VARCHAR(190) NOT NULL,
    Action VARCHAR(10) NOT NULL DEFAULT 'BLOCK',
    Reason VARCHAR(200) NOT NULL DEFAULT '',
    Enabled VARCHAR(5) NOT NULL DEFAULT 'YES'
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS EmergencyNumbers (
    Country VARCHAR(2) NOT NULL,
    Number VARCHAR(20) NOT NULL,
    PRIMARY KEY (Country, Number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS EmergencyGateways (
    Country VARCHAR(2) NOT NULL,
    GatewayID INT UNSIGNED NOT NULL,
    Priority INT NOT NULL DEFAULT 1,
    PRIMARY KEY (Country, GatewayID)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The first rule of the home country whose Pattern matches the dialled string makes it E.164 digits.
CREATE TABLE IF NOT EXISTS NormaliseRules (
    Country VARCHAR(2) NOT NULL,
    Sequence INT NOT NULL,
    Pattern VARCHAR(190) NOT NULL,
    Replacement VARCHAR(100) NOT NULL,
    PRIMARY KEY (Country, Sequence)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
