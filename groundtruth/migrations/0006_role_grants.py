"""What the roles were offered so far, so that none of it is offered again: the team may have taken some of it away."""

import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# By role and app, as they were before offers were remembered.
OFFERED = {
    "콘텐츠 담당 / Content staff": {
        "itembank": (
            "add_item add_itemimage add_uploadbatch change_item change_itemimage delete_itemimage import_uploads "
            "view_item view_itemimage view_uploadbatch view_uploadrow"
        ),
        "embeddings": (
            "search_items"
        ),
        "groundtruth": (
            "review_pairs view_judgement view_reviewround view_truthitem view_truthpair view_truthquery "
            "view_truthset"
        ),
        "evaluation": (
            "view_report"
        ),
    },
    "엔지니어 / Engineer": {
        "itembank": (
            "view_item view_itemimage"
        ),
        "embeddings": (
            "activate_encoder add_embeddingjob add_encoder add_reranker change_embeddingjob change_encoder "
            "delete_encoder delete_reranker search_items view_embeddingjob view_encoder view_reranker"
        ),
        "groundtruth": (
            "add_judgejob add_prompt add_reviewround add_truthpair add_truthset change_judgejob "
            "change_reviewround change_truthpair change_truthset delete_truthset view_judgebatch view_judgejob "
            "view_judgement view_judgequestion view_ledgerentry view_modelprice view_prompt view_reviewround "
            "view_spendday view_truthitem view_truthpair view_truthquery view_truthset"
        ),
        "evaluation": (
            "add_evaluationrun add_report change_evaluationrun view_criterion view_evaluationrun "
            "view_performancerun view_queryranking view_report"
        ),
    },
    "리드 / Lead": {
        "itembank": (
            "add_item add_itemimage add_uploadbatch change_item change_itemimage delete_itemimage import_uploads "
            "view_item view_itemimage view_uploadbatch view_uploadrow"
        ),
        "embeddings": (
            "activate_encoder add_embeddingjob add_encoder add_reranker change_embeddingjob change_encoder "
            "delete_encoder delete_reranker search_items view_embeddingjob view_encoder view_reranker"
        ),
        "groundtruth": (
            "add_judgejob add_modelprice add_prompt add_reviewround add_truthpair add_truthset can_spend "
            "change_judgejob change_modelprice change_reviewround change_truthpair change_truthset "
            "delete_reviewround delete_truthset freeze_truthset review_pairs view_change view_judgebatch "
            "view_judgejob view_judgement view_judgequestion view_ledgerentry view_modelprice view_prompt "
            "view_reviewround view_spendday view_truthitem view_truthpair view_truthquery view_truthset"
        ),
        "evaluation": (
            "add_criterion add_evaluationrun add_report change_criterion change_evaluationrun delete_criterion "
            "delete_report view_criterion view_evaluationrun view_performancerun view_queryranking view_report"
        ),
    },
}


def remember_offers(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """A permission that is there was offered by the migrate that brought it."""
    using = schema_editor.connection.alias
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    made = apps.get_model("groundtruth", "RoleGrant").objects.using(using)
    for group in apps.get_model("auth", "Group").objects.using(using).filter(name__in=OFFERED):
        for app, codenames in OFFERED[group.name].items():
            found = permissions.filter(content_type__app_label=app, codename__in=codenames.split())
            made.bulk_create([made.model(group=group, permission=each) for each in found])


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("groundtruth", "0005_approved_pairs"),
    ]

    operations = [
        migrations.CreateModel(
            name="RoleGrant",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "group",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="auth.group"
                    ),
                ),
                (
                    "permission",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="auth.permission"
                    ),
                ),
            ],
            options={"default_permissions": ()},
        ),
        migrations.AddConstraint(
            model_name="rolegrant",
            constraint=models.UniqueConstraint(fields=("group", "permission"), name="rolegrant_once"),
        ),
        migrations.RunPython(remember_offers, migrations.RunPython.noop, elidable=True),
    ]
