import { describe, expect, it } from 'vitest';
import { lineOf, matrixOf } from './matrix.js';
import { ESA_LOSES, operationsOf, rowOf, rows, titleOf } from './rows.js';

describe('the interop matrix', () => {
  it('reads rows and operations from titles as they are made', () => {
    for (const row of rows({ consumer: "ESA's consumer", provider: 'our gateway' })) {
      expect(rowOf(titleOf(row))).toEqual(row);
      expect(rowOf(`${titleOf(row)} (java is not installed)`)).toEqual(row);
    }
    expect(rowOf('a gateway that federates another')).toBeNull();
    expect(operationsOf('getProducts, listProducts: in order')).toEqual(['listProducts', 'getProducts']);
    expect(operationsOf('tells of getProducts')).toEqual([]);
  });

  it('counts what passed, and says what failed or did not run', () => {
    const [row] = rows({ consumer: 'our consumer', provider: "ESA's provider" });
    const result = (title: string, status: string, ancestor = titleOf(row!)) => ({
      ancestorTitles: [ancestor],
      title,
      status,
    });
    const report = (assertionResults: ReturnType<typeof result>[], name = '/x/test/interop/ours.test.ts') => ({
      testResults: [{ name, assertionResults }],
    });
    const matrix = matrixOf([
      report([
        result('listProducts: a', 'passed'),
        result('listProducts, getProducts: b', 'passed'),
        result('getProducts: c', 'pending'),
        result('deliverProducts: d', 'failed'),
        result('deliverProductFiles: refused', 'passed'),
        result(`deliverProductFiles: each (${ESA_LOSES})`, 'pending'),
        result('cancelStandingOrder: e', 'pending'),
        result('listProducts: f', 'passed', 'elsewhere'),
      ]),
      report([result('listProducts: g', 'passed')], '/x/another.test.ts'),
    ]);
    expect([...matrix.keys()]).toEqual([titleOf(row!)]);
    expect(lineOf(titleOf(row!), matrix.get(titleOf(row!))!)).toBe(
      "| our consumer | ESA's provider | maltcp | fixed | 2 | 1 | 1 ¹ | – | – | – | – | **fails** |",
    );
  });
});
