/** `trouble`: the run itself went wrong, and says nothing about Holt. */
export const exitCodes = { passed: 0, violation: 1, trouble: 2, interrupted: 130 } as const;
