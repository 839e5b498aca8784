"""Five workloads of real client calls through a real gateway, against the simulator: no key, no network.

    run.py         start, drive, stop, read the books, prove them
    servers.py     simulator and gateway on free loopback ports
    stage.py       what a workload is given: a client, a pause, a tick
    workloads.py   the visible tuple of workloads; each has a file of its own
    outcome.py     what the books say of each workload
    proof.py       the books against the simulator's own bill
    texts/         what the workloads send

May import: gateway and below, the simulator, and the anthropic SDK at run time.
"""
