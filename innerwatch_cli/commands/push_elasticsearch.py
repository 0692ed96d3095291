"""`innerwatch push elasticsearch`: templates, lifecycle policies and roles, and how to make the functions' API keys."""

import json

import click

from innerwatch_cli import cluster, cluster_setup, options
from innerwatch_cli.console import err, out
from innerwatch_cli.rights import retention


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option(
    "--retain",
    "texts",
    multiple=True,
    metavar="DATASET=DAYSd,…",
    help="How long data is kept: app.access=400d,innerwatch.alert=1100d. What is not named stays as it is.",
)
@options.namespace
def elasticsearch(dry_run: bool, texts: tuple[str, ...], namespace: str) -> None:
    """Install index templates, lifecycle policies and roles.

    Nothing changes where it is installed already. A lifecycle policy that differs is kept as it is unless --retain
    names its dataset: how long data is stored is yours to say. Needs manage_index_templates, manage_ilm and
    manage_security.
    """
    retain = retention.asked(texts)
    es = cluster.connect()
    with cluster.errors(es):
        missing = cluster_setup.missing(es)
        for kind, why in missing.items():
            err.print(f"{kind}: not installed; {why}", style="yellow", markup=False)
        for part in cluster_setup.parts(namespace, without=missing, retain=retain):
            state = cluster_setup.state(es, part)
            if not dry_run:
                cluster_setup.bring(es, part, state)
            out.print(f"{state:<9} {part.kind} {part.name}", markup=False)
        for dataset, days in retention.days(es).items():
            out.print(f"{dataset} is kept for {days} days after its index was rolled over", markup=False)
    if cluster_setup.ROLE in missing:
        out.print("No API keys are needed here: the functions' secrets may hold any text.")
        return
    out.print(
        "\nThe functions' API keys, for Kibana's Dev Tools; what the answer calls `encoded` goes into the secret:"
    )
    for secret, body in cluster_setup.api_keys(namespace).items():
        out.print(f"\n# → the secret of the stack's output {secret}\nPOST /_security/api_key", markup=False)
        out.print(json.dumps(body, indent=2), markup=False)
