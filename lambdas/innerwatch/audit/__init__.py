"""Who turned which pseudonym back, why, and who allowed it: records that nobody can remove, alter or add unseen.

`chain` seals records and finds what is wrong with them; it is pure. `trail` keeps them in DynamoDB, and a witness of
each in a bucket whose objects nobody can delete.
"""

from innerwatch.audit.chain import Broken, Entry, Fault, Line, Record, Who, first_fault
from innerwatch.audit.trail import Trail

__all__ = ["Broken", "Entry", "Fault", "Line", "Record", "Trail", "Who", "first_fault"]
