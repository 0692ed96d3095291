"""`innerwatch pseudonyms new|rotate|of`: the key that hides people, and whom a pseudonym belongs to ask about."""

import os
import time
from pathlib import Path

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError

from innerwatch.errors import UserError
from innerwatch.pseudonyms import Keys
from innerwatch_cli import options
from innerwatch_cli.console import err, out


@click.group()
def pseudonyms() -> None:
    """The key of pseudonyms: documents then say who did what without saying who that is."""


@pseudonyms.command()
@click.argument("file", type=options.PATH)
def new(file: Path) -> None:
    """Make a key in FILE, which only its owner can read. Whoever has it can tell whose each pseudonym is."""
    write(file, Keys.new(), os.O_EXCL)
    out.print(f"{file}: a new key; without it nobody can be revealed, so keep a copy where it is safe", markup=False)


@pseudonyms.command()
@click.argument("place", metavar="FILE|SECRET")
def rotate(place: str) -> None:
    """Change the key in FILE or secretsmanager:ID. Whoever is known by now keeps the pseudonyms that they have."""
    keys = options.load_keys(place).rotated(int(time.time() * 1000))
    if secret := options.secret_of(place):
        try:
            boto3.client("secretsmanager").put_secret_value(SecretId=secret, SecretString=keys.text())
        except (BotoCoreError, ClientError) as error:
            raise UserError(f"the secret {secret!r} cannot be written: {error}", "the key is as it was") from error
    else:
        beside = Path(f"{place}.new")  # a key that is half written would be lost
        write(beside, keys, os.O_TRUNC)
        beside.replace(place)
    out.print(f"{place}: a new key for whoever the directory first hears of from now on", markup=False)


@pseudonyms.command(name="of")
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@options.hr_feeds
@click.option("--table", default="", help="The employee directory's DynamoDB table, in place of --hr.")
@options.pseudonym_keys
def of_(texts: tuple[str, ...], feeds: tuple[Path, ...], table: str, keys: Keys | None) -> None:
    """Print the pseudonym of each TEXT, an HR id, login name or address: to ask for somebody whom HR names."""
    if keys is None:
        raise UserError("--pseudonyms is missing", "expected the key's file, or secretsmanager:ID")
    people = options.directory_of(feeds, table)
    current = options.pseudonyms(keys, people)
    if current is None:
        raise AssertionError("keys were given")
    known = current()
    for text in texts:
        if not known.knows(text):
            err.print(f"{text}: nobody in the directory has it", style="yellow", markup=False)
        out.print(known.of(text), markup=False)


def write(file: Path, keys: Keys, how: int) -> None:
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | how, 0o600), "w", encoding="utf-8") as stream:
            stream.write(f"{keys.text()}\n")
    except FileExistsError:
        raise UserError(
            "is there already", "expected a new file: people would get other pseudonyms", path=file
        ) from None
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", "expected a file in a folder", path=file) from error
