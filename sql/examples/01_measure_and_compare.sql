-- The DP1 tutorial 105.3 as SQL: measure the objects of a table on one exposure, and compare
-- the fluxes with the table's own.  Set the exposure first:  SET VARIABLE exposure = 'visit:...';

-- What there is to measure on.
SELECT exposure_id, kind, band, mjd, psf_kind, flux_unit
FROM exposure
ORDER BY exposure_id;

-- Forced photometry of a hundred sources: one row each, in the order of the table.
WITH s AS (SELECT sourceId, ra, "dec" FROM source LIMIT 100)
SELECT id, psfFlux, psfFluxErr, ab_mag(psfFlux) AS psfMag, psfFlux_flag, pixelFlags_saturated
FROM forced_photometry(getvariable('exposure'), s);

-- Keep all of it, then compare with the fluxes of the table.
CREATE OR REPLACE TABLE forced AS
FROM forced_photometry(getvariable('exposure'), source);

FROM compare_summary(forced, source, psfFlux);
