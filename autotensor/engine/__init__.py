"""The engine: a table of rules, a graph of nodes, one walk down it and one walk up.

It knows no op by name. Of a Tensor it asks what every array has, ``_node``, where it came from, and
``_apply`` and ``_apply_to_one``, which apply an op to it; nothing else.
"""
