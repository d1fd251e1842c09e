"""The agent: runs on the device, standard library only, Python 3.8 or newer.

Owns what a device does by itself: measuring, keeping what is not acknowledged, sending it in order.
Knows the native API's wire and nothing of the server's code.
"""

__version__ = "0.1.0"
