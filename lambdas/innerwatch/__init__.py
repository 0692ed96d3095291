"""What Innerwatch's Lambda functions share: from a raw log record to an enriched document, a behaviour, an alert."""

__version__ = "0.1.0"
