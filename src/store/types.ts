import pg from 'pg';

/** int8 and sums of it as `bigint`, for our connections only; everything else as `pg` does it. */
export const typeParsers: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (oid === pg.types.builtins.INT8 && format !== 'binary') return BigInt;
    if (oid === INT8_ARRAY && format !== 'binary') return parseBigints;
    return pg.types.getTypeParser(oid, format ?? 'text');
  }) as pg.CustomTypesConfig['getTypeParser'],
};

const INT8_ARRAY = 1016;
// The declared ids leave out arrays.
const TEXT_ARRAY = 1009 as typeof pg.types.builtins.TEXT;

function parseBigints(text: string): (bigint | null)[] {
  const texts = (pg.types.getTypeParser(TEXT_ARRAY, 'text') as (text: string) => (string | null)[])(text);
  return texts.map((item) => (item === null ? null : BigInt(item)));
}
