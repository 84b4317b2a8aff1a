-- Which registered exposures see a position, in degrees, ICRS.

-- Helper: is a position inside a footprint of four half spaces (nx, ny, nz, d)?
CREATE OR REPLACE MACRO in_footprint(edges, ra, "dec") AS
    edges[1] * cos(radians("dec")) * cos(radians(ra)) + edges[2] * cos(radians("dec")) * sin(radians(ra))
        + edges[3] * sin(radians("dec")) >= edges[4]
    AND edges[5] * cos(radians("dec")) * cos(radians(ra)) + edges[6] * cos(radians("dec")) * sin(radians(ra))
        + edges[7] * sin(radians("dec")) >= edges[8]
    AND edges[9] * cos(radians("dec")) * cos(radians(ra)) + edges[10] * cos(radians("dec")) * sin(radians(ra))
        + edges[11] * sin(radians("dec")) >= edges[12]
    AND edges[13] * cos(radians("dec")) * cos(radians(ra)) + edges[14] * cos(radians("dec")) * sin(radians(ra))
        + edges[15] * sin(radians("dec")) >= edges[16];

-- The registered exposures that contain a position: the coverage table finds those that share
-- its HEALPix cell (of order 9), the footprint decides.  The edge of a distorted image may be
-- reported a pixel too far out; a measurement there is flagged as off the image.
CREATE OR REPLACE MACRO exposures_at(ra, "dec") AS TABLE
    SELECT e.*
    FROM (SELECT ra::DOUBLE AS at_ra, "dec"::DOUBLE AS at_dec) p
    JOIN exposure_coverage c ON c.healpix = healpix_nested(9, p.at_ra, p.at_dec)
    JOIN exposure e ON e.exposure_id = c.exposure_id
    WHERE in_footprint(e.footprint, p.at_ra, p.at_dec);
