import django.db.models.deletion
from django.db import migrations, models

# Written by hand: the database deletes the terms with their item.
TERMS_TABLE = '''
CREATE TABLE embeddings_itemterms (
    item_id bigint PRIMARY KEY REFERENCES itembank_item (id) ON DELETE CASCADE,
    content_hash varchar(64) NOT NULL,
    terms text NOT NULL,
    version bigint NOT NULL
);
CREATE SEQUENCE embeddings_itemterms_version OWNED BY embeddings_itemterms.version;
'''
# Numbers hardly compress; the attempt would take longer than writing them.
UNCOMPRESSED = 'ALTER TABLE embeddings_lexicalpart ALTER COLUMN data SET STORAGE EXTERNAL'


class Migration(migrations.Migration):

    dependencies = [
        ('embeddings', '0002_reranker'),
        ('itembank', '0002_api_tokens'),
    ]

    operations = [
        migrations.CreateModel(
            name='LexicalGeneration',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.BigIntegerField()),
                ('documents', models.PositiveIntegerField()),
                ('mean_length', models.FloatField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(TERMS_TABLE, 'DROP TABLE embeddings_itemterms')],
            state_operations=[
                migrations.CreateModel(
                    name='ItemTerms',
                    fields=[
                        ('item', models.OneToOneField(on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='indexed_terms', serialize=False, to='itembank.item', verbose_name='item')),
                        ('content_hash', models.CharField(max_length=64)),
                        ('terms', models.TextField(blank=True)),
                        ('version', models.BigIntegerField()),
                    ],
                    options={
                        'default_permissions': (),
                    },
                ),
            ],
        ),
        migrations.AddIndex(
            model_name='itemterms',
            index=models.Index(fields=['version'], name='itemterms_version'),
        ),
        migrations.CreateModel(
            name='LexicalPart',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=16)),
                ('position', models.PositiveSmallIntegerField()),
                ('data', models.BinaryField()),
                ('generation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='parts', to='embeddings.lexicalgeneration')),
            ],
            options={
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(fields=('generation', 'name', 'position'), name='lexicalpart_once')],
            },
        ),
        migrations.RunSQL(UNCOMPRESSED, migrations.RunSQL.noop),
    ]
