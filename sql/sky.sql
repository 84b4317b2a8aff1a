-- Angles and places on the sky.  Everything is in degrees, ICRS.

-- Angle between two positions, exact from zero to 180 degrees (Vincenty 1975, on a sphere).
CREATE OR REPLACE MACRO sky_separation(ra1, dec1, ra2, dec2) AS
    degrees(atan2(
        sqrt(pow(cos(radians(dec2)) * sin(radians(ra2 - ra1)), 2)
             + pow(cos(radians(dec1)) * sin(radians(dec2))
                   - sin(radians(dec1)) * cos(radians(dec2)) * cos(radians(ra2 - ra1)), 2)),
        sin(radians(dec1)) * sin(radians(dec2))
            + cos(radians(dec1)) * cos(radians(dec2)) * cos(radians(ra2 - ra1))));

-- Is a position within a radius of (ra0, dec0)?  The comparison of declinations is cheap, and
-- lets DuckDB skip whole row groups of a table that is sorted by it.
CREATE OR REPLACE MACRO in_cone(ra, "dec", ra0, dec0, radius_deg) AS
    "dec" BETWEEN dec0 - radius_deg AND dec0 + radius_deg
    AND sky_separation(ra, "dec", ra0, dec0) <= radius_deg;

-- Helper: the lower 29 bits of a number, moved apart to every second place.
CREATE OR REPLACE MACRO spread_bits(bits) AS
    list_transform(list_transform(list_transform(list_transform(list_transform([bits::BIGINT],
        lambda v: (v | (v << 16)) & 281470681808895),
        lambda v: (v | (v << 8)) & 71777214294589695),
        lambda v: (v | (v << 4)) & 1085102592571150095),
        lambda v: (v | (v << 2)) & 3689348814741910323),
        lambda v: (v | (v << 1)) & 6148914691236517205)[1];

-- Helper: nested index of a cell from its base cell (0 to 11) and its column and row there.
CREATE OR REPLACE MACRO healpix_cell(hp_order, cell) AS
    (cell.face::BIGINT << (2 * hp_order)) + spread_bits(cell.x) + 2 * spread_bits(cell.y);

-- Helper: the cell of a position near the equator, z = sin(dec), t = ra in quarter turns.
CREATE OR REPLACE MACRO healpix_equatorial(nside, z, t) AS
    list_transform(
        list_transform(
            [{down: floor(nside * (0.5 + t) - nside * 0.75 * z)::BIGINT,
              up: floor(nside * (0.5 + t) + nside * 0.75 * z)::BIGINT}],
            lambda j: {down: j.down, up: j.up, fd: j.down // nside, fu: j.up // nside}),
        lambda j: {
            face: CASE WHEN j.fd = j.fu THEN (j.fd & 3) + 4
                       WHEN j.fd < j.fu THEN j.fd & 3
                       ELSE (j.fu & 3) + 8 END,
            x: j.up & (nside - 1),
            y: nside - (j.down & (nside - 1)) - 1})[1];

-- Helper: the cell of a position in a polar cap; s = nside sqrt(3 (1 - |z|)), q = quarter turn.
CREATE OR REPLACE MACRO healpix_polar(nside, z, q, p, s) AS
    list_transform(
        [{down: least(floor(p * s)::BIGINT, nside - 1), up: least(floor((1 - p) * s)::BIGINT, nside - 1)}],
        lambda j: {
            face: CASE WHEN z >= 0 THEN q ELSE q + 8 END,
            x: CASE WHEN z >= 0 THEN nside - j.up - 1 ELSE j.down END,
            y: CASE WHEN z >= 0 THEN nside - j.down - 1 ELSE j.up END})[1];

-- Nested HEALPix cell of a position at an order (Gorski et al. 2005, ApJ 622, 759); NULL where
-- the position is missing, not finite, or has no such declination.
CREATE OR REPLACE MACRO healpix_nested(hp_order, ra, "dec") AS
    CASE WHEN isfinite(ra::DOUBLE) AND "dec" BETWEEN -90 AND 90 THEN
        healpix_cell(hp_order, list_transform(
            [{nside: 1::BIGINT << hp_order,
              z: sin(radians("dec"::DOUBLE)),
              c: cos(radians("dec"::DOUBLE)),
              t: ((ra::DOUBLE - 360 * floor(ra::DOUBLE / 360)) / 90) % 4}],
            lambda p: CASE WHEN abs(p.z) <= 2 / 3.0
                THEN healpix_equatorial(p.nside, p.z, p.t)
                ELSE healpix_polar(p.nside, p.z, floor(p.t)::BIGINT, p.t - floor(p.t),
                                   p.nside * p.c * sqrt(3 / (1 + abs(p.z)))) END)[1])
    END;
