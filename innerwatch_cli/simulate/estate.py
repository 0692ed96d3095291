"""What the company has in AWS: its names, and which of them each person usually works with."""

from typing import NamedTuple

from innerwatch_cli.simulate.chance import BASE32, HEX, LETTERS, Streams, sample, text, uuid4

HOME = "eu-west-1"
GLOBAL = "us-east-1"  # where IAM, STS's global endpoint and billing are logged
SECOND = "eu-central-1"
REGIONS = (HOME, GLOBAL, SECOND)

PROFILES = "example-customer-profiles"  # one object a customer
LAKE = "example-data-lake"
RESULTS = "example-analytics-results"
ARTIFACTS = "example-build-artifacts"
ASSETS = "example-web-assets"
BILLING = "example-billing-reports"
STATE = "example-terraform-state"
STAGING = "example-migration-staging"
LOGS = "example-cloudtrail-logs"

TRAIL = "account-trail"  # the account's own; the organization's goes on whatever happens to it
DATABASES = ("customers-prod", "orders-prod", "billing-prod")
SERVICES = (
    *("checkout", "accounts", "profile-api", "search", "messaging", "payments", "notifications", "support-console"),
    *("gateway", "catalogue", "invoicing", "sessions", "recommendations", "mobile-backend", "webhooks", "pricing"),
)
TABLES = ("orders", "customers", "invoices", "sessions", "campaigns", "tickets", "payments", "refunds", "events")


class Favourites(NamedTuple):
    """What one person usually works with."""

    region: str
    services: tuple[str, ...]
    instances: tuple[str, ...]
    secrets: tuple[str, ...]
    tables: tuple[str, ...]
    volume: str


class Estate:
    def __init__(self, streams: Streams, people: int) -> None:
        rng = streams("estate")
        self.instances = [f"i-{text(rng, HEX, 17)}" for _ in range(10 + people // 10)]
        self.volumes = [f"vol-{text(rng, HEX, 17)}" for _ in range(8 + people // 20)]
        self.key = f"arn:aws:kms:{HOME}:123456789012:key/{uuid4(rng)}"
        self.store = f"d-{text(rng, HEX, 10)}"  # of IAM Identity Center
        self._ids: dict[tuple[str, str], str] = {}
        self._streams = streams
        self._favourites: dict[str, Favourites] = {}

    def favourites(self, name: str) -> Favourites:
        """Of a person or a program; the same each time."""
        if name not in self._favourites:
            rng = self._streams("favourites", name)
            services = tuple(sample(rng, SERVICES, rng.randint(2, 4)))
            self._favourites[name] = Favourites(
                region=HOME if rng.random() < 0.75 else rng.choice((SECOND, GLOBAL)),
                services=services,
                instances=tuple(sample(rng, self.instances, 4)),
                secrets=tuple(f"prod/{service}/{rng.choice(('database', 'api-key'))}" for service in services),
                tables=tuple(sample(rng, TABLES, 3)),
                volume=rng.choice(self.volumes),
            )
        return self._favourites[name]

    def role_id(self, name: str) -> str:
        """The unique id that AWS gave a role."""
        return self._made("AROA", name, BASE32, 17)

    def user_id(self, name: str) -> str:
        return self._made("AIDA", name, BASE32, 17)

    def reserved_role(self, permission_set: str) -> str:
        """The role that Identity Center made for a permission set."""
        return f"AWSReservedSSO_{permission_set}_{self._made('', permission_set, HEX, 16)}"

    def secret_arn(self, name: str) -> str:
        """With the six letters that Secrets Manager adds."""
        return f"arn:aws:secretsmanager:{HOME}:123456789012:secret:{name}-{self._made('', name, LETTERS, 6)}"

    def _made(self, prefix: str, name: str, alphabet: str, length: int) -> str:
        key = prefix, name
        if key not in self._ids:
            self._ids[key] = prefix + text(self._streams("ids", *key), alphabet, length)
        return self._ids[key]
