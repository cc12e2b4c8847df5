"""What the operating system is asked for: files, folders, durability, processes, threads.

Reading order, lowest first; a module imports only what stands before it: ``files``, ``folders``,
``fsync``, ``atomic``, ``rights``, ``limits``, ``stop``, ``processes``.
It knows nothing of archives, and imports ``errors`` alone.
"""
