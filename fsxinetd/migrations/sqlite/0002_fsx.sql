-- What fsx adds to the nine tables. A database without these is read with the defaults.
-- A column that is there already is left as it is.

ALTER TABLE LCRRates ADD COLUMN InitialIncrement INTEGER NOT NULL DEFAULT 1;
ALTER TABLE LCRRates ADD COLUMN NextIncrement INTEGER NOT NULL DEFAULT 1;

-- DialString: a template; empty takes sofia/gateway/gw${ID}/${number}.
ALTER TABLE CarrierGateway ADD COLUMN DialString TEXT NOT NULL DEFAULT 'sofia/gateway/gw${ID}/${number}';
ALTER TABLE CarrierGateway ADD COLUMN Weight INTEGER NULL;
ALTER TABLE CarrierGateway ADD COLUMN MaxCPS INTEGER NULL;
ALTER TABLE CarrierGateway ADD COLUMN StopCauses TEXT NOT NULL DEFAULT '';

-- Hours of a named period in its own time zone. Days: names or ISO numbers, ranges and commas
-- (Mon-Fri, Sat,Sun, 1-5); empty is every day. EndTime is not in the period; 24:00:00 is the end of
-- the day; an EndTime not after StartTime runs into the next day. Rows of one Name add up.
CREATE TABLE IF NOT EXISTS Periods (
    Name TEXT NOT NULL,
    TimeZone TEXT NOT NULL DEFAULT 'UTC',
    Days TEXT NOT NULL DEFAULT '',
    StartTime TEXT NOT NULL DEFAULT '00:00:00',
    EndTime TEXT NOT NULL DEFAULT '24:00:00'
);

-- Rate: worth of one unit in the base currency. Older than fx_max_age: as if not there.
CREATE TABLE IF NOT EXISTS FxRates (
    Currency TEXT NOT NULL PRIMARY KEY,
    Rate TEXT NOT NULL,
    AsOf TEXT NOT NULL
);

-- CallCostLimit is in the base currency; null is no limit.
CREATE TABLE IF NOT EXISTS Orgs (
    OrgID INTEGER PRIMARY KEY,
    HomeCountry TEXT NOT NULL DEFAULT '',
    DataCentre TEXT NOT NULL DEFAULT '',
    CallCostLimit TEXT NULL,
    Profile TEXT NOT NULL DEFAULT '',
    RetailCarrierID INTEGER NULL,
    MarginAbs TEXT NULL,
    MarginRel TEXT NULL,
    AllowedLoss TEXT NULL
);

CREATE TABLE IF NOT EXISTS WholesaleCallCostCache (
    OrgID INTEGER PRIMARY KEY,
    Cost TEXT NOT NULL DEFAULT '0',
    Time TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- Pattern is matched against E.164 digits. Action: BLOCK or ALLOW; the first that matches decides.
CREATE TABLE IF NOT EXISTS DiallingRules (
    ID INTEGER PRIMARY KEY,
    OrgID INTEGER NOT NULL DEFAULT 0,
    Pattern TEXT NOT NULL,
    Action TEXT NOT NULL DEFAULT 'BLOCK',
    Reason TEXT NOT NULL DEFAULT '',
    Enabled TEXT NOT NULL DEFAULT 'YES'
);

CREATE TABLE IF NOT EXISTS EmergencyNumbers (
    Country TEXT NOT NULL,
    Number TEXT NOT NULL,
    PRIMARY KEY (Country, Number)
);

CREATE TABLE IF NOT EXISTS EmergencyGateways (
    Country TEXT NOT NULL,
    GatewayID INTEGER NOT NULL,
    Priority INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (Country, GatewayID)
);

-- The first rule of the home country whose Pattern matches the dialled string makes it E.164 digits.
CREATE TABLE IF NOT EXISTS NormaliseRules (
    Country TEXT NOT NULL,
    Sequence INTEGER NOT NULL,
    Pattern TEXT NOT NULL,
    Replacement TEXT NOT NULL,
    PRIMARY KEY (Country, Sequence)
);
