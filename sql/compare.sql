-- Measured against reference fluxes, both in nJy, matched by id.

-- Helper: id, flux and its error (the column called flux || 'Err', NULL where there is none).
CREATE OR REPLACE MACRO fluxes_of(table_name, flux, id := NULL) AS TABLE
    WITH __named AS (
        FROM query(
            'SELECT *' || select_as(id, '__id') || select_as(flux, '__flux')
            || ', [*COLUMNS(lambda c: lower(c) IN (''__none'', lower('''
            || replace(flux, '''', '''''') || 'Err'')))] AS __error' || from_table(table_name))
    ),
    __candidates AS (
        SELECT
            __flux,
            __error,
            [*COLUMNS('(?i)^(__none|__id)$')] AS id_given,
            [*COLUMNS('(?i)^(__none|objectId)$')] AS object_id,
            [*COLUMNS('(?i)^(__none|sourceId)$')] AS source_id,
            [*COLUMNS('(?i)^(__none|diaObjectId)$')] AS dia_object_id,
            [*COLUMNS('(?i)^(__none|id)$')] AS plain_id
        FROM __named
    )
    SELECT
        CASE WHEN found_column(id_given) THEN list_last(id_given)
             WHEN found_column(object_id) THEN list_last(object_id)
             WHEN found_column(source_id) THEN list_last(source_id)
             WHEN found_column(dia_object_id) THEN list_last(dia_object_id)
             WHEN found_column(plain_id) THEN list_last(plain_id)
             ELSE error('a table has no column objectId, sourceId, diaObjectId or id; name it') END AS id,
        __flux::DOUBLE AS flux,
        CASE WHEN found_column(__error) THEN list_last(__error) END::DOUBLE AS flux_err
    FROM __candidates;

-- Row by row: ratio, pull (difference over its error) and AB magnitude of the reference.  The
-- reference may call the flux or the ids otherwise: reference_flux := r_psfFlux.
CREATE OR REPLACE MACRO compare_fluxes(
    measured, reference, flux,
    reference_flux := NULL, measured_id := NULL, reference_id := NULL
) AS TABLE
    WITH __measured AS (
        FROM fluxes_of(measured, flux, id := measured_id)
    ),
    __reference AS (
        FROM fluxes_of(reference, coalesce(reference_flux, flux), id := reference_id)
    )
    SELECT
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

-- The same per bin of magnitude: medians, and scatters as 1.4826 times the median absolute
-- deviation, the standard deviation of a normal distribution that no outlier can move.
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
    )
    SELECT
        magnitude::DOUBLE AS magnitude,
        count(*) AS n,
        median(ratio) AS median_ratio,
        1.4826 * mad(ratio) AS scatter,
        median(pull) AS median_pull,
        1.4826 * mad(pull) AS pull_scatter
    FROM __usable
    GROUP BY ALL
    ORDER BY magnitude;
