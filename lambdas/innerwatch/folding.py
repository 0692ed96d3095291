"""Upper and lower case, as Elasticsearch's `lowercase` normalizer sees them."""


def fold(text: str) -> str:
    """Lower case, character by character: what stands beside a character never changes it, as it would in `lower()`.

    https://www.elastic.co/docs/reference/text-analysis/analysis-lowercase-tokenfilter
    """
    if text.isascii():
        return text.lower()
    return "".join("i" if char == "İ" else char.lower() for char in text)
