"""The database refuses to change or delete lines of the audit trail, whoever asks.

What may change are the two references, and only to nothing: a set that is deleted leaves its trail.
"""

from django.db import migrations

KEEP = """
CREATE FUNCTION groundtruth_keep_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE'
        AND (NEW.truth_set_id IS NULL OR NEW.truth_set_id = OLD.truth_set_id)
        AND (NEW.pair_id IS NULL OR NEW.pair_id = OLD.pair_id)
        AND (NEW.id, NEW.target, NEW.action, NEW.user_id, NEW.at) IS NOT DISTINCT FROM
            (OLD.id, OLD.target, OLD.action, OLD.user_id, OLD.at)
        AND (NEW.old, NEW.new) IS NOT DISTINCT FROM (OLD.old, OLD.new)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'lines of the audit trail are never changed or deleted' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER groundtruth_keep_change BEFORE UPDATE OR DELETE ON groundtruth_change
    FOR EACH ROW EXECUTE FUNCTION groundtruth_keep_change();
"""
DROP = """
DROP TRIGGER groundtruth_keep_change ON groundtruth_change;
DROP FUNCTION groundtruth_keep_change();
"""


class Migration(migrations.Migration):
    dependencies = [("groundtruth", "0002_first_prompts_and_prices")]

    operations = [migrations.RunSQL(KEEP, DROP)]
