import { describe, expect, test } from 'vitest';
import { assertLimits, limits } from '../../src/config/limits.ts';

describe('limits', () => {
  test('those that we have fit together', () => {
    expect(() => assertLimits()).not.toThrow();
  });

  test('wrong ones are found', () => {
    expect(() => assertLimits({ ...limits, turnInputsMax: 0 })).toThrow('turnInputsMax is 0');
    expect(() => assertLimits({ ...limits, connectionOutputBytesMax: limits.connectionOutputPauseBytes })).toThrow(
      'no room',
    );
  });
});
