"""A single-threaded model of opens, oplocks, leases and byte-range locks, and the server compared with it.

Four clients, each served by a process of its own, do random steps on a few files; after each step everything that the
server said to anybody has to be what the model says. See ``python -m tests.model --help``.

    rules     when opens, locks and caching exclude each other; pure functions of [MS-FSA]
    state     files, opens, leases, requests that wait
    steps     what clients do
    world     the model: a step in, what must be seen out
    generate  random steps that fit the state of the model
    clients   the steps done to a real server, and what was seen
    quiet     when the server has nothing left to do
    audit     what may stand in the server's databases
    compare   episodes, differences and their shortest cause
"""
