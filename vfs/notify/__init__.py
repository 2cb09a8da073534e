"""Change notification ([MS-FSA] 2.1.1.7, 2.1.5.11): who watches which directory, and what he is told."""
