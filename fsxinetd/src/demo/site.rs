//! The rest of the demonstration site: gateways, organisations and rules.
//!
//! Two data centres, LON1 and NYC1. Organisations: 37 at home in the UK, with numbers of its own on
//! an on-net carrier; 42 in the US, with a spend limit; 51 in the UK, which may not call premium
//! rate numbers. Numbers 020 7946 0xxx are those that Ofcom keeps for drama.

/// Statements that run after the carriers are in; SQLite's quoting.
pub(super) const STATEMENTS: &[&str] = &[
    "INSERT INTO Carriers (ID, CarrierName, Type, ClosedLoopCarrier) VALUES \
     (107, 'On-net (sample prices)', 'route', 'YES'), \
     (109, 'Emergency services (sample prices)', 'route', 'NO')",
    "INSERT INTO CarrierGateway (ID, CarrierID, DataCentre, Reliability, ConcCalls, MaxCPS, Weight, \
     ChannelVars, CarrierGroup) VALUES \
     (3011, 101, 'LON1', 90, 600, 60, NULL, 'absolute_codec_string=PCMA', 'world'), \
     (3012, 101, 'NYC1', 90, 600, 60, NULL, 'absolute_codec_string=PCMU', 'world'), \
     (3021, 102, 'LON1', 85, 300, 30, 2, 'absolute_codec_string=PCMA', 'world'), \
     (3022, 102, 'LON1', 85, 300, 30, 1, 'absolute_codec_string=PCMA', 'world'), \
     (3023, 102, 'NYC1', 80, 300, 30, NULL, 'absolute_codec_string=PCMU', 'world'), \
     (3031, 103, '', 70, 1000, 100, NULL, '', 'world'), \
     (3041, 104, 'LON1', 95, 800, 80, NULL, 'absolute_codec_string=PCMA', 'home'), \
     (3042, 104, 'LON1,NYC1', 60, 200, 20, NULL, 'absolute_codec_string=PCMA', 'home'), \
     (3051, 105, 'NYC1', 95, 800, 80, NULL, 'absolute_codec_string=PCMU', 'home'), \
     (3052, 105, 'LON1', 75, 200, 20, NULL, 'absolute_codec_string=PCMU', 'home'), \
     (3071, 107, '', 99, NULL, NULL, NULL, '', ''), \
     (3091, 109, 'LON1', 99, NULL, NULL, NULL, '', ''), \
     (3092, 109, 'NYC1', 99, NULL, NULL, NULL, '', '')",
    "INSERT INTO Bands (ID, BandName, CarrierID, Type, CountryCode) VALUES \
     (10700000, 'On-net London', 107, 'Landline', 'GB')",
    "INSERT INTO Numbers (ID, Number, BandID, OrgID) VALUES (9000001, '4420794601', 10700000, 37)",
    "INSERT INTO LCRRates (ID, BandID, Rate, Currency, Start, FormatNumber, FormatCLI) VALUES \
     (42800000, 10700000, '0', 'GBP', '2026-01-01 00:00:00', 'E164', 'E164')",
    "INSERT INTO ClosedLoopCarriers (OrgID, CarrierID) VALUES (37, 107)",
    "INSERT INTO FxRates (Currency, Rate, AsOf) VALUES \
     ('EUR', '0.87', CURRENT_TIMESTAMP), ('USD', '0.75', CURRENT_TIMESTAMP)",
    "INSERT INTO Orgs (OrgID, HomeCountry, DataCentre, CallCostLimit, RetailCarrierID) VALUES \
     (0, 'GB', '', NULL, NULL), \
     (37, 'GB', 'LON1', NULL, 106), \
     (42, 'US', 'NYC1', '50', 106), \
     (51, 'GB', 'LON1', NULL, 106)",
    "INSERT INTO WholesaleCallCostCache (OrgID, Cost) VALUES (42, '12.4')",
    "INSERT INTO DiallingRules (ID, OrgID, Pattern, Action, Reason) VALUES \
     (1, 0, '^979\\d+$', 'BLOCK', 'international premium rate'), \
     (2, 51, '^44(9|871|872|873)\\d+$', 'BLOCK', 'premium rate'), \
     (3, 51, '^1900\\d+$', 'BLOCK', 'premium rate')",
    "INSERT INTO EmergencyGateways (Country, GatewayID, Priority) VALUES \
     ('GB', 3091, 1), ('GB', 3092, 2), ('US', 3092, 1), ('US', 3091, 2)",
    "INSERT INTO Overrides (ID, OrgID, Prefix, CarrierID, Action, Priority) VALUES \
     (1, 42, '1', 105, 'PREFER', 1)",
];
