"""What the law lets people ask for: how long data is kept, what is known of a person, its erasure, and legal holds.

`people` says whom it is about, `documents` and `tables` find and change what is stored, `register` remembers holds and
erasures, `copies` keeps what is held, `exporting` and `erasing` are the two answers. docs/privacy.md explains them.
"""
