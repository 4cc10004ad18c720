-- Beta sells everything. For each SIP status there is a cheaper carrier that sells one number, and ends every call to
-- it with that status: gateway 3000 + status.
INSERT INTO Carriers (ID, CarrierName, Type) VALUES
    (102, 'Beta', 'route'),
    (302, 'Says 302', 'route'), (403, 'Says 403', 'route'), (404, 'Says 404', 'route'), (408, 'Says 408', 'route'), (480, 'Says 480', 'route'), (486, 'Says 486', 'route'), (500, 'Says 500', 'route'), (503, 'Says 503', 'route'), (603, 'Says 603', 'route'),
    (410, 'Says 410', 'route'),
    (484, 'Says 484', 'route'),
    (488, 'Says 488', 'route'),
    (502, 'Says 502', 'route'),
    (504, 'Says 504', 'route'),
    (600, 'Says 600', 'route'),
    (604, 'Says 604', 'route'), (180, 'Says 180', 'route');

INSERT INTO CarrierGateway (ID, CarrierID, Prefix, Reliability, PingGateway) VALUES
    (3002, 102, '', 80, 'NO'),
    (3302, 302, '', 80, 'NO'),
    (3403, 403, '', 80, 'NO'),
    (3404, 404, '', 80, 'NO'),
    (3408, 408, '', 80, 'NO'),
    (3480, 480, '', 80, 'NO'),
    (3486, 486, '', 80, 'NO'),
    (3500, 500, '', 80, 'NO'),
    (3503, 503, '', 80, 'NO'),
    (3603, 603, '', 80, 'NO'),
    (3410, 410, '', 80, 'NO'),
    (3484, 484, '', 80, 'NO'),
    (3488, 488, '', 80, 'NO'),
    (3502, 502, '', 80, 'NO'),
    (3504, 504, '', 80, 'NO'),
    (3600, 600, '', 80, 'NO'),
    (3604, 604, '', 80, 'NO'),
    (3180, 180, '', 80, 'NO');

INSERT INTO Bands (ID, BandName, CarrierID, Type, CountryCode) VALUES
    (502, 'UK Mobile', 102, 'Mobile', 'GB'),
    (1302, 'One number', 302, 'Mobile', 'GB'),
    (1403, 'One number', 403, 'Mobile', 'GB'),
    (1404, 'One number', 404, 'Mobile', 'GB'),
    (1408, 'One number', 408, 'Mobile', 'GB'),
    (1480, 'One number', 480, 'Mobile', 'GB'),
    (1486, 'One number', 486, 'Mobile', 'GB'),
    (1500, 'One number', 500, 'Mobile', 'GB'),
    (1503, 'One number', 503, 'Mobile', 'GB'),
    (1603, 'One number', 603, 'Mobile', 'GB'),
    (1410, 'One number', 410, 'Mobile', 'GB'),
    (1484, 'One number', 484, 'Mobile', 'GB'),
    (1488, 'One number', 488, 'Mobile', 'GB'),
    (1502, 'One number', 502, 'Mobile', 'GB'),
    (1504, 'One number', 504, 'Mobile', 'GB'),
    (1600, 'One number', 600, 'Mobile', 'GB'),
    (1604, 'One number', 604, 'Mobile', 'GB'),
    (1180, 'One number', 180, 'Mobile', 'GB');

INSERT INTO Numbers (ID, Number, BandID) VALUES
    (9002, '4477', 502),
    (1302, '447720000302', 1302),
    (1403, '447720000403', 1403),
    (1404, '447720000404', 1404),
    (1408, '447720000408', 1408),
    (1480, '447720000480', 1480),
    (1486, '447720000486', 1486),
    (1500, '447720000500', 1500),
    (1503, '447720000503', 1503),
    (1603, '447720000603', 1603),
    (1410, '447720000410', 1410),
    (1484, '447720000484', 1484),
    (1488, '447720000488', 1488),
    (1502, '447720000502', 1502),
    (1504, '447720000504', 1504),
    (1600, '447720000600', 1600),
    (1604, '447720000604', 1604),
    (1180, '447720000180', 1180);

INSERT INTO LCRRates (ID, BandID, Rate, Setup, Currency, Start, FormatNumber, FormatCLI) VALUES
    (20002, 502, '0.02', '0', 'GBP', '2026-01-01 00:00:00', 'E164', 'E164'),
    (20302, 1302, '0.01', '0', 'GBP', '2026-01-01 00:00:00', 'E164', 'E164'),
    (20403, 1403, '0.01', '0', 'GBP', '2026-01-01 00:00:00', 'E164', 'E164'),
    (20404, 1404, '0.01', '0', 'GBP', '2026-01-01 00:00:00', 'E164', 'E164'),
    (20408, 1408, '0.01', '0', 'GBP', '2026-01-01 00:00:00', 'E164', 'E164'),
    (20480, 1480, '0.01', '0', 'GBP', '2026-01-01 00:00:00', 'E164', 'E164'),
    (20486, 1486, '0.01', '0', 'GBP', '2026-01-01 00:00:00', 'E164', 'E164'),
    (20500, 1500, '0.01', '0', 'GBP', '2026-01-01 00:00:00', 'E164', 'E164'),
    (20503, 1503, '0.01', '0', 'GBP', '2026-01-01 00:00:00', 'E164', 'E164'),
    (20603, 1603, '0.01', '0', 'GBP', '2026-01-01 00:00:00', 'E164', 'E164'),
    (20410, 1410, '0.01', '0', 'GBP', '2026-01-01 00:00:00', 'E164', 'E164'),
    (20484, 1484, '0.01', '0', 'GBP', '2026-01-01 00:00:00', 'E164', 'E164'),
    (20488, 1488, '0.01', '0', 'GBP', '2026-01-01 00:00:00', 'E164', 'E164'),
    (20502, 1502, '0.01', '0', 'GBP', '2026-01-01 00:00:00', 'E164', 'E164'),
    (20504, 1504, '0.01', '0', 'GBP', '2026-01-01 00:00:00', 'E164', 'E164'),
    (20600, 1600, '0.01', '0', 'GBP', '2026-01-01 00:00:00', 'E164', 'E164'),
    (20604, 1604, '0.01', '0', 'GBP', '2026-01-01 00:00:00', 'E164', 'E164'),
    (20180, 1180, '0.01', '0', 'GBP', '2026-01-01 00:00:00', 'E164', 'E164');

INSERT INTO Orgs (OrgID, HomeCountry, CallCostLimit) VALUES (37, 'GB', NULL);

-- One number that 503's carrier sells first, and the one that rings for ever second.
INSERT INTO Bands (ID, BandName, CarrierID, Type, CountryCode) VALUES (2180, 'Dearer', 180, 'Mobile', 'GB');
INSERT INTO Numbers (ID, Number, BandID) VALUES (2503, '447720000599', 1503), (2180, '447720000599', 2180);
INSERT INTO LCRRates (ID, BandID, Rate, Setup, Currency, Start, FormatNumber, FormatCLI) VALUES
    (22180, 2180, '0.015', '0', 'GBP', '2026-01-01 00:00:00', 'E164', 'E164');

-- One that the ringing carrier sells first, and one that it sells after 500's and 503's.
INSERT INTO Bands (ID, BandName, CarrierID, Type, CountryCode) VALUES (2503, 'Second', 503, 'Mobile', 'GB');
INSERT INTO Numbers (ID, Number, BandID) VALUES
    (3180, '447720000597', 1180),
    (3500, '447720000598', 1500), (3503, '447720000598', 2503), (3181, '447720000598', 2180);
INSERT INTO LCRRates (ID, BandID, Rate, Setup, Currency, Start, FormatNumber, FormatCLI) VALUES
    (22503, 2503, '0.012', '0', 'GBP', '2026-01-01 00:00:00', 'E164', 'E164');
