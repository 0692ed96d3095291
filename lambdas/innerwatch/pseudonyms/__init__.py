"""Pseudonyms: documents say who did what without saying who that is. docs/pseudonyms.md explains them.

`keys` reads and rotates the secret, `vocabulary` knows how logs may write each person, `hiding` replaces that in
documents. All are pure; the directory gives the identities, and `wiring` the key.
"""

from innerwatch.pseudonyms.current import Current
from innerwatch.pseudonyms.directory import HiddenPeople, hidden_notices
from innerwatch.pseudonyms.hiding import Pseudonyms, Revealed
from innerwatch.pseudonyms.identity import Identity, of_employee, of_ownership
from innerwatch.pseudonyms.keys import Keys

__all__ = [
    "Current",
    "HiddenPeople",
    "Identity",
    "Keys",
    "Pseudonyms",
    "Revealed",
    "hidden_notices",
    "of_employee",
    "of_ownership",
]
