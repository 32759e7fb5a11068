"""The command line: one module for each command of ``pulmonode``, imported only when it is called."""
