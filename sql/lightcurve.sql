-- Light curves: fluxes of one position over many exposures, as rows with mjd, band, kind, psfFlux,
-- psfFluxErr, psfFlux_flag and pixelFlags_*.
--
-- forced_lightcurve measures them on the spot, light_curve takes them from the results of runs.  The
-- macros after those take any such rows: curve is the name of a table, view or CTE.

-- One position on every registered exposure that contains it, in order of time.  Where an image has its
-- sky still in it, as exposure_options.background says, the fluxes have it too: set subtract_background.
CREATE OR REPLACE MACRO forced_lightcurve(ra, "dec") AS TABLE
    SELECT m.* EXCLUDE (measured), unnest(m.measured)
    FROM (
        SELECT
            e.exposure_id,
            e.kind,
            e.mjd,
            e.band,
            e.visit,
            e.detector,
            e.flux_unit,
            "forced_lightcurve: open this database with forcedsql.connect() or 'forcedsql shell'"(
                e.exposure_id, p.at_ra, p.at_dec) AS measured
        FROM (SELECT ra::DOUBLE AS at_ra, "dec"::DOUBLE AS at_dec) p,
             LATERAL (FROM exposures_at(p.at_ra, p.at_dec)) e
    ) m
    ORDER BY m.mjd, m.exposure_id;

-- The rows of one object in results of runs, in order of time.  results names the table or view that
-- holds them: the table that a run wrote into, or what forcedsql.attach_results made of its files.
CREATE OR REPLACE MACRO light_curve(object_id, results := 'forced_source') AS TABLE
    SELECT
        e.exposure_id,
        e.kind,
        e.mjd,
        e.band,
        e.visit,
        e.detector,
        e.flux_unit,
        f.* EXCLUDE (exposure_id)
    FROM query('FROM ' || table_of(results)) f
    JOIN exposure e ON e.exposure_id = f.exposure_id
    WHERE f.id = object_id
    ORDER BY e.mjd, e.exposure_id;

-- The rows of a light curve, each with whether it is flagged: the PSF flux has failed, or there are
-- pixels under it that hold no data, something else, or a guess.
CREATE OR REPLACE MACRO flagged_light_curve(curve) AS TABLE
    WITH __with_flags AS (
        SELECT
            *,
            [*COLUMNS('(?i)^(psfFlux_flag|pixelFlags_(bad|cr|edge|interpolated|nodata|offimage|saturated))$')]
                AS __flags
        FROM query('FROM ' || table_of(curve))
    )
    SELECT
        * EXCLUDE (__flags),
        list_contains(__flags, true) OR NOT coalesce(isfinite(psfFlux) AND isfinite(psfFluxErr), false)
            OR psfFluxErr <= 0.0 AS flagged
    FROM __with_flags;

-- Detections and upper limits, by the two thresholds of ZTF's forced photometry service (Masci et al.
-- 2023, arXiv:2305.16279): above snt times its error a flux is a detection, with a magnitude; below,
-- snu times the error is an upper limit.  Flagged rows are neither.
CREATE OR REPLACE MACRO light_curve_limits(curve, snt := 3.0, snu := 5.0) AS TABLE
    WITH __points AS (
        SELECT
            *,
            CASE WHEN NOT flagged THEN snr(psfFlux, psfFluxErr) END AS snr
        FROM flagged_light_curve(curve)
    )
    SELECT
        *,
        snr > snt AS detected,
        CASE WHEN snr > snt THEN ab_mag(psfFlux) END AS mag,
        CASE WHEN snr > snt THEN ab_mag_err(psfFlux, psfFluxErr) END AS mag_err,
        CASE WHEN snr <= snt THEN flux_limit(psfFluxErr, n := snu) END AS limit_flux,
        CASE WHEN snr <= snt THEN ab_mag(flux_limit(psfFluxErr, n := snu)) END AS limit_mag
    FROM __points;

-- Time of day at which a night ends and the next begins, mean noon at a longitude east of Greenwich
-- in degrees, as a fraction of a day of MJD.
CREATE OR REPLACE MACRO local_noon(longitude) AS
    (1.5 - longitude / 360.0) % 1.0;

-- Means over bins of whole nights, weighted by inverse variance, per band, kind and unit.  A night
-- begins at boundary, a fraction of a day of MJD: 0.5 is that of Rubin's day of observation, noon UTC
-- minus 12 hours; local_noon(longitude) serves any place.  Bins begin on nights that are a multiple of
-- days after origin, an MJD.  Flagged rows are counted and left out: a bin of nothing else is
-- flagged itself.  The means are a light curve again, so light_curve_limits takes them.
CREATE OR REPLACE MACRO binned_light_curve(curve, days := 1, boundary := 0.5, origin := 0) AS TABLE
    WITH __binned AS (
        SELECT
            (floor((mjd - boundary - origin) / days) * days + origin)::INTEGER AS night,
            mjd,
            band,
            kind,
            flux_unit,
            flagged,
            psfFlux::DOUBLE AS flux,
            CASE WHEN NOT flagged THEN pow(psfFluxErr::DOUBLE, -2) END AS weight
        FROM flagged_light_curve(curve)
        WHERE mjd IS NOT NULL
    ),
    __means AS (
        SELECT
            *,
            sum(weight * flux) FILTER (NOT flagged) OVER bin / sum(weight) OVER bin AS mean
        FROM __binned
        WINDOW bin AS (PARTITION BY night, band, kind, flux_unit)
    )
    SELECT
        night,
        DATE '1858-11-17' + night AS night_date,
        band,
        kind,
        flux_unit,
        coalesce(avg(mjd) FILTER (NOT flagged), avg(mjd)) AS mjd,
        any_value(mean) AS psfFlux,
        1.0 / sqrt(sum(weight)) AS psfFluxErr,
        count(*) FILTER (NOT flagged) = 0 AS psfFlux_flag,
        count(*) FILTER (NOT flagged) AS n,
        count(*) FILTER (flagged) AS n_flagged,
        sum(weight * pow(flux - mean, 2)) FILTER (NOT flagged) AS chi2
    FROM __means
    GROUP BY night, band, kind, flux_unit
    ORDER BY night, kind, band;

-- Means over nights.
CREATE OR REPLACE MACRO nightly_light_curve(curve, boundary := 0.5) AS TABLE
    FROM binned_light_curve(curve, boundary := boundary);

-- Means over weeks of seven nights, the first of which begins on a Monday (MJD 0 was a Wednesday).
CREATE OR REPLACE MACRO weekly_light_curve(curve, boundary := 0.5) AS TABLE
    FROM binned_light_curve(curve, days := 7, boundary := boundary, origin := -2);

-- Results of runs with the columns of DP1's ForcedSource table: visit images and their difference
-- images side by side, one row per object, visit and detector.  There is no deblending, so no parents.
CREATE OR REPLACE MACRO forced_source_dp1(results := 'forced_source') AS TABLE
    WITH __rows AS (
        SELECT f.*, e.visit, e.detector, e.band, e.tract, e.patch, e.kind
        FROM query('FROM ' || table_of(results)) f
        JOIN exposure e ON e.exposure_id = f.exposure_id
        WHERE e.kind IN ('visit_image', 'difference_image')
    )
    SELECT
        coalesce(v.id, d.id) AS objectId,
        NULL::BIGINT AS parentObjectId,
        coalesce(v.ra, d.ra) AS coord_ra,
        coalesce(v."dec", d."dec") AS coord_dec,
        coalesce(v.visit, d.visit) AS visit,
        coalesce(v.detector, d.detector)::SMALLINT AS detector,
        coalesce(v.band, d.band) AS band,
        v.psfFlux::FLOAT AS psfFlux,
        v.psfFluxErr::FLOAT AS psfFluxErr,
        v.psfFlux_flag AS psfFlux_flag,
        d.psfFlux::FLOAT AS psfDiffFlux,
        d.psfFluxErr::FLOAT AS psfDiffFluxErr,
        d.psfFlux_flag AS psfDiffFlux_flag,
        d.pixelFlags_nodataCenter AS diff_PixelFlags_nodataCenter,
        coalesce(v.pixelFlags_bad, d.pixelFlags_bad) AS pixelFlags_bad,
        coalesce(v.pixelFlags_cr, d.pixelFlags_cr) AS pixelFlags_cr,
        coalesce(v.pixelFlags_crCenter, d.pixelFlags_crCenter) AS pixelFlags_crCenter,
        coalesce(v.pixelFlags_edge, d.pixelFlags_edge) AS pixelFlags_edge,
        coalesce(v.pixelFlags_interpolated, d.pixelFlags_interpolated) AS pixelFlags_interpolated,
        coalesce(v.pixelFlags_interpolatedCenter, d.pixelFlags_interpolatedCenter)
            AS pixelFlags_interpolatedCenter,
        coalesce(v.pixelFlags_nodata, d.pixelFlags_nodata) AS pixelFlags_nodata,
        coalesce(v.pixelFlags_saturated, d.pixelFlags_saturated) AS pixelFlags_saturated,
        coalesce(v.pixelFlags_saturatedCenter, d.pixelFlags_saturatedCenter) AS pixelFlags_saturatedCenter,
        coalesce(v.pixelFlags_suspect, d.pixelFlags_suspect) AS pixelFlags_suspect,
        coalesce(v.pixelFlags_suspectCenter, d.pixelFlags_suspectCenter) AS pixelFlags_suspectCenter,
        coalesce(v.invalidPsfFlag, d.invalidPsfFlag) AS invalidPsfFlag,
        coalesce(v.tract, d.tract) AS tract,
        coalesce(v.patch, d.patch) AS patch
    FROM (FROM __rows WHERE kind = 'visit_image') v
    FULL JOIN (FROM __rows WHERE kind = 'difference_image') d
        ON v.id = d.id AND v.visit = d.visit AND v.detector = d.detector;
