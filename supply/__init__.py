"""What is shipped, and what it is made of: the lock, licences, a bill of materials, reproducible builds, known holes.

    python3 tasks.py sbom                 the bill of materials (CycloneDX 1.6, JSON) of the locked packages
    python3 tasks.py audit-deps           whether holes are known in any locked package (asks the advisory service)
    python3 tasks.py build [--install]    wheel and sdist, built twice and compared, with a lock to install them by

See docs/guides/security.md.
"""
