"""The HTTP client: connections and answers, checked to the byte; the API and downloads on top.

Reading order, lowest first; a module imports only what stands before it: ``retry``, ``resume``,
``target``, ``tls``, ``connection``, ``wire`` (one exchange and its body), ``proxies``,
``transport`` (the pool), ``client``, ``api``, ``refusals``, ``downloads``.
It must not import the other modules of ``fetch``.
"""
