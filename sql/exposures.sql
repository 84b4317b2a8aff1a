-- Which registered exposures see a position, in degrees, ICRS.

-- Helper: is a unit vector inside four half spaces (nx, ny, nz, d)?
CREATE OR REPLACE MACRO inside_edges(edges, x, y, z) AS
    edges[1] * x + edges[2] * y + edges[3] * z >= edges[4]
    AND edges[5] * x + edges[6] * y + edges[7] * z >= edges[8]
    AND edges[9] * x + edges[10] * y + edges[11] * z >= edges[12]
    AND edges[13] * x + edges[14] * y + edges[15] * z >= edges[16];

-- Helper: is a position inside a footprint of four half spaces?
CREATE OR REPLACE MACRO in_footprint(edges, ra, "dec") AS
    inside_edges(edges, cos(radians("dec")) * cos(radians(ra)), cos(radians("dec")) * sin(radians(ra)),
                 sin(radians("dec")));

-- The registered exposures that contain a position: the coverage table finds those that share
-- its HEALPix cell (of order 9), the footprint decides.  The edge of a distorted image may be
-- reported a pixel too far out; a measurement there is flagged as off the image.
CREATE OR REPLACE MACRO exposures_at(ra, "dec") AS TABLE
    SELECT e.*
    FROM (SELECT ra::DOUBLE AS at_ra, "dec"::DOUBLE AS at_dec) p
    JOIN exposure_coverage c ON c.healpix = healpix_nested(9, p.at_ra, p.at_dec)
    JOIN exposure e ON e.exposure_id = c.exposure_id
    WHERE in_footprint(e.footprint, p.at_ra, p.at_dec);
