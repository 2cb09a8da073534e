"""Pure codec of [MS-SMB2], [MS-FSCC] and [MS-DTYP]; used by the server and by the test client alike."""
