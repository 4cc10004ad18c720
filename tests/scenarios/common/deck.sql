-- Two carriers that sell UK mobiles, the cheaper one first; one that sells a single range, cheapest of all; and an
-- emergency gateway.
-- Reference call of 60 s: Alpha 0.0125 + 0.005 setup = 0.0175 a minute, Beta 0.02.
INSERT INTO Carriers (ID, CarrierName, Type) VALUES
    (101, 'Alpha', 'route'), (102, 'Beta', 'route'), (103, 'Gamma', 'route'), (109, 'Emergency', 'route');

INSERT INTO CarrierGateway (ID, CarrierID, Prefix, Reliability, PingGateway, DataCentre, ChannelVars) VALUES
    (3001, 101, '',   90, 'NO', 'LON1,LON2', 'absolute_codec_string=PCMA'),
    (3002, 102, '00', 80, 'NO', '',          ''),
    (3003, 103, '',   70, 'NO', '',          ''),
    (3009, 109, '',   99, 'NO', '',          '');

INSERT INTO Bands (ID, BandName, CarrierID, Type, CountryCode) VALUES
    (501, 'UK Mobile', 101, 'Mobile', 'GB'),
    (502, 'UK Mobile', 102, 'Mobile', 'GB'),
    (503, 'UK Mobile', 103, 'Mobile', 'GB');

INSERT INTO Numbers (ID, Number, BandID, OrgID) VALUES
    (9001, '447700', 501, NULL), (9002, '4477', 502, 0), (9003, '447701', 503, NULL);

INSERT INTO LCRRates (ID, BandID, Rate, Setup, Currency, Start, FormatNumber, FormatCLI) VALUES
    (20001, 501, '0.0125', '0.005', 'GBP', '2026-01-01 00:00:00', 'E164', 'E164'),
    (20002, 502, '0.02',   '0',     'GBP', '2026-01-01 00:00:00', 'E164', 'E164'),
    (20003, 503, '0.01',   '0',     'GBP', '2026-01-01 00:00:00', 'E164', 'E164');

INSERT INTO EmergencyGateways (Country, GatewayID, Priority) VALUES ('GB', 3009, 1);

-- 37 is the customer of most calls; 38 has spent more than it may; 39's policy sleeps; 40 has none.
INSERT INTO Orgs (OrgID, HomeCountry, CallCostLimit) VALUES
    (37, 'GB', NULL), (38, 'GB', '10'), (39, 'GB', NULL), (40, 'GB', NULL);
INSERT INTO WholesaleCallCostCache (OrgID, Cost, Time) VALUES (38, '12.5', '2026-01-01 00:00:00');
