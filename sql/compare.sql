-- Measured against reference fluxes, both in nJy, matched by id.

-- Helper: id, flux and its error (the column called flux || 'Err', NULL where there is none),
-- and the group that a row belongs to: the text of a column, NULL where none is named.
CREATE OR REPLACE MACRO fluxes_of(table_name, flux, id := NULL, group_column := NULL) AS TABLE
    WITH __named AS (
        FROM query(
            'SELECT *' || select_as(id, '__id') || select_as(flux, '__flux') || select_as(group_column, '__by')
            || ', coalesce(*COLUMNS(lambda c: lower(c) IN (''__none'', lower('''
            || replace(flux, '''', '''''') || 'Err'')))) AS __error' || from_table(table_name))
    ),
    __candidates AS (
        SELECT
            __flux,
            __error,
            coalesce(*COLUMNS('(?i)^(__none|__by)$')) AS by_given,
            row(*COLUMNS('(?i)^(__none|__id|objectId|sourceId|diaObjectId|id)$')) AS any_id,
            coalesce(*COLUMNS('(?i)^(__none|__id)$')) AS id_given,
            coalesce(*COLUMNS('(?i)^(__none|objectId)$')) AS object_id,
            coalesce(*COLUMNS('(?i)^(__none|sourceId)$')) AS source_id,
            coalesce(*COLUMNS('(?i)^(__none|diaObjectId)$')) AS dia_object_id,
            coalesce(*COLUMNS('(?i)^(__none|id)$')) AS plain_id
        FROM __named
    )
    SELECT
        CASE WHEN found_column(by_given) THEN by_given END::VARCHAR AS by_group,
        CASE WHEN found_column(id_given) THEN id_given
             WHEN found_column(object_id) THEN object_id
             WHEN found_column(source_id) THEN source_id
             WHEN found_column(dia_object_id) THEN dia_object_id
             WHEN found_column(plain_id) THEN plain_id
             WHEN no_column(any_id)
             THEN error('a table has no column objectId, sourceId, diaObjectId or id; name it')
             END AS id,
        __flux::DOUBLE AS flux,
        CASE WHEN found_column(__error) THEN __error END::DOUBLE AS flux_err
    FROM __candidates;

-- Helper: two tables row by row, with the group of the measured row.
CREATE OR REPLACE MACRO compare_in_groups(
    measured, reference, flux, group_column, reference_flux, measured_id, reference_id
) AS TABLE
    WITH __measured AS (
        FROM fluxes_of(measured, flux, id := measured_id, group_column := group_column)
    ),
    __reference AS (
        FROM fluxes_of(reference, coalesce(reference_flux, flux), id := reference_id)
    )
    SELECT
        m.by_group,
        m.id,
        m.flux AS measured,
        m.flux_err AS measured_err,
        r.flux AS reference,
        r.flux_err AS reference_err,
        m.flux / nullif(r.flux, 0.0) AS ratio,
        (m.flux - r.flux) / nullif(sqrt(m.flux_err * m.flux_err + r.flux_err * r.flux_err), 0.0) AS pull,
        ab_mag(r.flux) AS magnitude
    FROM __measured m
    JOIN __reference r ON m.id = r.id;

-- Row by row: ratio, pull (difference over its error) and AB magnitude of the reference.  The
-- reference may call the flux or the ids otherwise: reference_flux := r_psfFlux.
CREATE OR REPLACE MACRO compare_fluxes(
    measured, reference, flux,
    reference_flux := NULL, measured_id := NULL, reference_id := NULL
) AS TABLE
    SELECT * EXCLUDE (by_group)
    FROM compare_in_groups(measured, reference, flux, NULL, reference_flux, measured_id, reference_id);

-- Helper: 1.4826 times the median absolute deviation, the standard deviation of a normal
-- distribution that no outlier can move.
CREATE OR REPLACE MACRO robust_scatter(numbers) AS
    1.4826 * mad(numbers);

-- Helper: share of a list's numbers that are more than 5 scatters from the middle.
CREATE OR REPLACE MACRO outlier_share(numbers, middle, scatter) AS
    len(list_filter(numbers, lambda v: abs(v - middle) > 5 * scatter)) / len(numbers);

-- The same per bin of magnitude: medians, scatters, and the share of outliers in the pull.
CREATE OR REPLACE MACRO compare_summary(
    measured, reference, flux,
    bin := 1.0, reference_flux := NULL, measured_id := NULL, reference_id := NULL
) AS TABLE
    WITH __usable AS (
        SELECT
            floor(magnitude / bin) * bin AS magnitude,
            ratio,
            CASE WHEN isfinite(pull) THEN pull END AS pull
        FROM compare_fluxes(measured, reference, flux, reference_flux := reference_flux,
                            measured_id := measured_id, reference_id := reference_id)
        WHERE isfinite(magnitude) AND isfinite(ratio)
    ),
    __bins AS (
        SELECT
            magnitude::DOUBLE AS magnitude,
            count(*) AS n,
            median(ratio) AS median_ratio,
            robust_scatter(ratio) AS scatter,
            median(pull) AS median_pull,
            robust_scatter(pull) AS pull_scatter,
            list(pull) FILTER (pull IS NOT NULL) AS pulls
        FROM __usable
        GROUP BY ALL
    )
    SELECT * EXCLUDE (pulls), outlier_share(pulls, median_pull, pull_scatter) AS outlier_fraction
    FROM __bins
    ORDER BY magnitude;

-- The same per exposure, or per value of another column of the measured table, from the
-- sources between two magnitudes of the reference (the fainter not included).
CREATE OR REPLACE MACRO compare_exposures(
    measured, reference, flux,
    group_column := 'exposure_id', brightest := '-inf'::DOUBLE, faintest := 'inf'::DOUBLE,
    reference_flux := NULL, measured_id := NULL, reference_id := NULL
) AS TABLE
    WITH __rows AS (
        SELECT
            by_group,
            isfinite(magnitude) AND isfinite(ratio) AND magnitude >= brightest AND magnitude < faintest
                AS usable,
            CASE WHEN usable THEN ratio END AS ratio,
            CASE WHEN usable AND isfinite(pull) THEN pull END AS pull
        FROM compare_in_groups(measured, reference, flux, group_column, reference_flux, measured_id, reference_id)
    ),
    __groups AS (
        SELECT
            by_group AS exposure_id,
            count(*) FILTER (usable) AS n,
            median(ratio) AS median_ratio,
            robust_scatter(ratio) AS scatter,
            median(pull) AS median_pull,
            robust_scatter(pull) AS pull_scatter,
            list(pull) FILTER (pull IS NOT NULL) AS pulls
        FROM __rows
        GROUP BY ALL
    )
    SELECT * EXCLUDE (pulls), outlier_share(pulls, median_pull, pull_scatter) AS outlier_fraction
    FROM __groups
    ORDER BY exposure_id;
