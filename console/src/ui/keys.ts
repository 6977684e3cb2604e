import type { KeyboardEvent } from 'react';

/** Whether a key belongs to the composing of a word (Japanese, Chinese, Korean): Safari says it by the code 229 only. */
export const composing = ({ nativeEvent }: KeyboardEvent): boolean => nativeEvent.isComposing || nativeEvent.keyCode === 229;
