/** A question was due where nobody can answer: no terminal, or no plan on it to decide by. Exit code 64. */
export class NobodyToAsk extends Error {}

/** Whoever was asked left with Ctrl-C or Ctrl-D. Nothing has been written by then. Exit code 130. */
export class QuestionLeft extends Error {}
