"""The completion task: decides which arriving series are complete, and which of a study is analysed."""
