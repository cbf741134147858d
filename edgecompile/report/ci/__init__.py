"""What machines of CI read: JUnit, SARIF, and GitHub's own forms."""
