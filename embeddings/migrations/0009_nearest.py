"""A search by vectors is one round trip: the function sets what its statement is planned and run with, and runs it.

The vector is the statement's $1; all else is written into it.
"""

from django.db import migrations

NEAREST = """
CREATE FUNCTION embeddings_nearest(candidates integer, may_scan boolean, statement text, query halfvec)
RETURNS TABLE (
    item_id bigint, code varchar, distance double precision, stale boolean, has_image boolean, at_cut boolean
)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM
        set_config('hnsw.ef_search', candidates::text, true),
        set_config('hnsw.iterative_scan', 'strict_order', true),
        set_config('enable_seqscan', may_scan::text, true),
        set_config('jit', 'off', true);
    RETURN QUERY EXECUTE statement USING query;
END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("embeddings", "0008_query_claim")]

    operations = [migrations.RunSQL(NEAREST, "DROP FUNCTION embeddings_nearest(integer, boolean, text, halfvec)")]
