-- The nine tables of the LCR database.
--
-- Decimals are TEXT: a DECIMAL column has NUMERIC affinity in SQLite, which turns 0.0125 into a
-- binary fraction. Yes and no are words, as they always were in PingGateway and Healthy; 1 and 0 are
-- read as well. Instants are UTC, 'YYYY-MM-DD HH:MM:SS'.

CREATE TABLE IF NOT EXISTS Carriers (
    ID INTEGER PRIMARY KEY,
    CarrierName TEXT NOT NULL UNIQUE,
    Enabled TEXT NOT NULL DEFAULT 'YES',
    Type TEXT NOT NULL DEFAULT 'route',
    ClosedLoopCarrier TEXT NOT NULL DEFAULT 'NO',
    PrivateServicesCarrier TEXT NOT NULL DEFAULT 'NO'
);

CREATE TABLE IF NOT EXISTS Bands (
    ID INTEGER PRIMARY KEY,
    BandName TEXT NOT NULL,
    CarrierID INTEGER NOT NULL,
    Type TEXT NOT NULL DEFAULT '',
    CountryCode TEXT NOT NULL DEFAULT '',
    Enabled TEXT NOT NULL DEFAULT 'YES'
);
CREATE INDEX IF NOT EXISTS Bands_CarrierID ON Bands (CarrierID);

CREATE TABLE IF NOT EXISTS Numbers (
    ID INTEGER PRIMARY KEY,
    Number TEXT NOT NULL,
    BandID INTEGER NOT NULL,
    Enabled TEXT NOT NULL DEFAULT 'YES',
    OrgID INTEGER NULL
);
CREATE INDEX IF NOT EXISTS Numbers_BandID ON Numbers (BandID);
CREATE INDEX IF NOT EXISTS Numbers_Number ON Numbers (Number);

CREATE TABLE IF NOT EXISTS LCRRates (
    ID INTEGER PRIMARY KEY,
    BandID INTEGER NOT NULL,
    Rate TEXT NOT NULL,
    Setup TEXT NOT NULL DEFAULT '0',
    Currency TEXT NOT NULL,
    Period TEXT NOT NULL DEFAULT '',
    Start TEXT NOT NULL DEFAULT '1970-01-01 00:00:00',
    Enabled TEXT NOT NULL DEFAULT 'YES',
    FormatNumber TEXT NOT NULL DEFAULT '',
    FormatCLI TEXT NOT NULL DEFAULT '',
    ABandID INTEGER NULL
);
CREATE INDEX IF NOT EXISTS LCRRates_BandID ON LCRRates (BandID);

CREATE TABLE IF NOT EXISTS CarrierGateway (
    ID INTEGER PRIMARY KEY,
    CarrierID INTEGER NOT NULL,
    Enabled TEXT NOT NULL DEFAULT 'YES',
    Prefix TEXT NOT NULL DEFAULT '',
    Suffix TEXT NOT NULL DEFAULT '',
    ChannelVars TEXT NOT NULL DEFAULT '',
    PrivacyClass TEXT NOT NULL DEFAULT '',
    PCIZone TEXT NOT NULL DEFAULT '',
    ConcCalls INTEGER NULL,
    Reliability INTEGER NULL,
    PingGateway TEXT NOT NULL DEFAULT 'YES',
    PingAlert TEXT NOT NULL DEFAULT 'NO',
    PingMaxFwd INTEGER NULL,
    PingUser TEXT NOT NULL DEFAULT '',
    PingAcceptErrors TEXT NOT NULL DEFAULT '',
    DataCentre TEXT NOT NULL DEFAULT '',
    CarrierGroup TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS CarrierGateway_CarrierID ON CarrierGateway (CarrierID);

CREATE TABLE IF NOT EXISTS CarrierGatewayHealth (
    ID INTEGER NOT NULL,
    DataCentre TEXT NOT NULL,
    Healthy TEXT NOT NULL DEFAULT 'YES',
    LastUpdate TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (ID, DataCentre)
);

-- Action: FORCE, PREFER or FORBID. OrgID 0 is everyone, an empty Prefix is every number.
CREATE TABLE IF NOT EXISTS Overrides (
    ID INTEGER PRIMARY KEY,
    OrgID INTEGER NOT NULL DEFAULT 0,
    Prefix TEXT NOT NULL DEFAULT '',
    CarrierID INTEGER NOT NULL,
    Action TEXT NOT NULL,
    Priority INTEGER NOT NULL DEFAULT 0,
    Enabled TEXT NOT NULL DEFAULT 'YES'
);

CREATE TABLE IF NOT EXISTS ClosedLoopCarriers (
    OrgID INTEGER NOT NULL,
    CarrierID INTEGER NOT NULL,
    PRIMARY KEY (OrgID, CarrierID)
);

-- Rows of one Name are tried by Sequence; the first whose Pattern matches the number rewrites it.
CREATE TABLE IF NOT EXISTS Formats (
    ID INTEGER PRIMARY KEY,
    Name TEXT NOT NULL,
    Sequence INTEGER NOT NULL DEFAULT 1,
    Pattern TEXT NOT NULL,
    Replacement TEXT NOT NULL
);
