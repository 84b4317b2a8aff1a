-- Fluxes and magnitudes.  Fluxes are in nJy, magnitudes are AB: 31.4 - 2.5 log10(flux / nJy),
-- the convention of the Rubin data products.

-- AB magnitude of a flux; NULL where the flux is not positive.
CREATE OR REPLACE MACRO ab_mag(flux) AS
    CASE WHEN flux > 0 THEN 31.4 - 2.5 * log10(flux::DOUBLE) END;

-- Error of that magnitude, to first order; NULL where the flux is not positive.
CREATE OR REPLACE MACRO ab_mag_err(flux, flux_err) AS
    CASE WHEN flux > 0 THEN 2.5 / ln(10.0) * flux_err::DOUBLE / flux::DOUBLE END;

-- Flux in nJy of an AB magnitude.
CREATE OR REPLACE MACRO njy(mag) AS
    pow(10.0, (31.4 - mag::DOUBLE) / 2.5);

-- Signal to noise; NULL where the error is zero.
CREATE OR REPLACE MACRO snr(flux, flux_err) AS
    flux::DOUBLE / nullif(flux_err::DOUBLE, 0.0);

-- Flux n times as large as its error, in nJy: what a source must have to be seen there.  As a
-- magnitude, the depth: ab_mag(flux_limit(flux_err)).
CREATE OR REPLACE MACRO flux_limit(flux_err, n := 5) AS
    n * flux_err::DOUBLE;
