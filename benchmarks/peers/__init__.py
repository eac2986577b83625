"""How each peer hands a value on, by its own public machinery.

Each module has ``save(kind, value, store) -> handle`` and ``load(kind, handle, store) -> value``, where ``handle`` is what the peer's control
plane would carry to the next step, as JSON; and, where a peer needs a database or a project, ``prepare(store)``, which runs once, in a
process of its own, unmeasured. Clients are opened inside ``save`` and ``load``: each step of a pipeline opens its own. A module runs in the
environment that ``peers.toml`` describes for it.
"""
