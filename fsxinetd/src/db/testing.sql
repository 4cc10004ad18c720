INSERT INTO Carriers (ID, CarrierName, Enabled, Type, ClosedLoopCarrier, PrivateServicesCarrier) VALUES
    (101, 'Alpha', 'YES', 'route', 'NO', 'NO'),
    (102, 'Beta', 'YES', 'route', 'NO', 'NO'),
    (103, 'Gone', 'NO', 'route', 'NO', 'NO'),
    (104, 'On-net', 'YES', 'route', 'YES', 'NO'),
    (105, 'Services', '1', 'route', '0', '1'),
    (106, 'Our own prices', 'YES', 'retail', 'NO', 'NO');

INSERT INTO Bands (ID, BandName, CarrierID, Type, CountryCode, Enabled) VALUES
    (501, 'UK Mobile', 101, 'Mobile', 'GB', 'YES'),
    (502, 'UK Mobile', 102, 'Mobile', 'GB', 'YES'),
    (503, 'Élan''s "band" \ Ø', 102, 'Landline', 'FR', 'YES'),
    (504, 'UK Mobile', 104, 'Mobile', 'GB', 'YES'),
    (505, 'UK Mobile', 105, 'Mobile', 'GB', 'YES'),
    (506, 'UK Mobile', 106, 'Mobile', 'GB', 'YES');

INSERT INTO Numbers (ID, Number, BandID, Enabled, OrgID) VALUES
    (1, '447700', 501, 'YES', NULL),
    (2, '4477', 502, 'YES', 0),
    (3, '33', 503, 'YES', NULL),
    (4, '447700900', 501, 'NO', NULL),
    (5, '4477', 504, 'YES', NULL),
    (6, '44', 505, 'YES', NULL),
    (7, '44', 506, 'YES', NULL),
    (8, '44770090', 502, 'YES', 37);

INSERT INTO LCRRates (ID, BandID, Rate, Setup, Currency, Period, Start, Enabled, FormatNumber, FormatCLI, ABandID, InitialIncrement, NextIncrement) VALUES
    (20001, 501, '0.0125', '0.005', 'GBP', '', '2026-01-01 00:00:00', 'YES', 'E164', 'E164', NULL, 1, 1),
    (20002, 501, '0.000000001', '0', 'GBP', 'Peak', '2026-01-01 00:00:00', 'YES', '00', '', NULL, 60, 60),
    (20003, 502, '0.03', '0', 'EUR', 'Standard', '2026-01-01 00:00:00', 'YES', '', '', NULL, 30, 6),
    (20004, 502, '0.019', '0', 'GBP', '', '2026-01-01 00:00:00', 'YES', '', '', 501, 1, 1),
    (20005, 503, '0.100000000', '0', 'USD', 'Weekend', '2025-06-30 23:59:59', 'YES', 'national', '', NULL, 1, 1),
    (20006, 504, '0', '0', 'GBP', '', '1970-01-01 00:00:00', 'YES', '', '', NULL, 1, 1),
    (20007, 505, '0.5', '0', 'GBP', '', '1970-01-01 00:00:00', 'YES', '', '', NULL, 1, 1),
    (20008, 506, '0.05', '0', 'GBP', '', '1970-01-01 00:00:00', 'NO', '', '', NULL, 1, 1);

INSERT INTO CarrierGateway (ID, CarrierID, Enabled, Prefix, Suffix, ChannelVars, PrivacyClass, PCIZone, ConcCalls, Reliability, PingGateway, DataCentre, CarrierGroup, Weight, MaxCPS, StopCauses) VALUES
    (3001, 101, 'YES', '', '', 'absolute_codec_string=PCMA,sip_h_X-Key=1', '', '', 100, 90, 'YES', 'LON1,NYC1', 'a,b', 3, 20, '17,486'),
    (3002, 102, 'YES', '00', '#', '', 'high', 'pci', NULL, NULL, 'NO', '', '', NULL, NULL, ''),
    (3004, 104, 'YES', '', '', '', '', '', 0, 50, 'TEST', 'LON1', '', NULL, NULL, ''),
    (3005, 105, 'YES', '', '', '', '', '', 0, 50, 'YES', 'LON1', '', NULL, NULL, '');

INSERT INTO CarrierGatewayHealth (ID, DataCentre, Healthy, LastUpdate) VALUES
    (3001, 'LON1', 'NO', '2026-01-01 00:00:00'), (3001, 'NYC1', 'YES', '2026-01-01 00:00:00');

INSERT INTO Overrides (ID, OrgID, Prefix, CarrierID, Action, Priority, Enabled) VALUES
    (1, 37, '447', 102, 'PREFER', 5, 'YES'), (2, 0, '', 105, 'FORBID', -1, 'NO');

INSERT INTO ClosedLoopCarriers (OrgID, CarrierID) VALUES (37, 104);

INSERT INTO FxRates (Currency, Rate, AsOf) VALUES
    ('EUR', '0.87', '2026-01-20 06:00:00'), ('USD', '0.75', '2026-01-10 06:00:00');

INSERT INTO Orgs (OrgID, HomeCountry, CallCostLimit) VALUES
    (0, 'GB', NULL), (37, 'GB', NULL), (42, 'US', '10.50');

INSERT INTO WholesaleCallCostCache (OrgID, Cost, Time) VALUES (42, '10.5', '2026-01-20 09:00:00');

INSERT INTO DiallingRules (ID, OrgID, Pattern, Action, Reason, Enabled) VALUES
    (1, 42, '^1900\d+$', 'BLOCK', 'premium rate', 'YES');

INSERT INTO EmergencyGateways (Country, GatewayID, Priority) VALUES ('GB', 3004, 1), ('GB', 3001, 2);
