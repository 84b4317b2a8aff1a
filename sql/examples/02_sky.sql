-- Positions on the sky: which exposures see one, and what it did in time.

-- The sources within half a degree of a position, nearest first.
SELECT sourceId, sky_separation(ra, "dec", 53.1, -28.1) * 3600 AS arcsec
FROM source
WHERE in_cone(ra, "dec", 53.1, -28.1, 0.5)
ORDER BY arcsec;

-- The exposures that contain it.
SELECT exposure_id, band, mjd
FROM exposures_at(53.1, -28.1);

-- Its light curve, with a magnitude limit where it is fainter than 5 sigma.
SELECT mjd, band, psfFlux, psfFluxErr,
       CASE WHEN snr(psfFlux, psfFluxErr) >= 5 THEN ab_mag(psfFlux) END AS mag,
       ab_mag(flux_limit(psfFluxErr)) AS depth_5_sigma
FROM forced_lightcurve(53.1, -28.1);

-- Every source on every exposure.
SELECT e.exposure_id, m.id, m.psfFlux, m.psfFluxErr
FROM exposure e, LATERAL (FROM forced_photometry(e.exposure_id, source)) m
WHERE NOT m.pixelFlags_offimage;
