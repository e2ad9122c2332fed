import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeJson, encodeJson, type Json, jsonSchemas } from '../mal/index.js';
import { arbitraryOf } from '../mal/schema/arbitrary.js';
import { mpdArea } from './area.js';
import { filterTreeSchema } from './filter/index.js';
import { ProductRetrieval } from './services.js';

describe('JSON form', () => {
  for (const type of mpdArea.types) {
    it(`gives back any ${type.name}`, () => {
      fc.assert(
        fc.property(arbitraryOf(type), (value) => {
          expect(decodeJson(type, JSON.parse(JSON.stringify(encodeJson(type, value))))).toEqual(value);
        }),
      );
    });
  }

  it('of a message names the path of a fault', () => {
    const { request } = ProductRetrieval.operations.listProducts;
    expect(() => decodeJson(request, { productFilter: { domain: ['esa', 1] } })).toThrow(
      'productFilter.domain[1]: expected text, not number',
    );
    expect(decodeJson(request, { productFilter: {} })).toEqual({
      productFilter: { productType: null, domain: null, sources: null, attributeFilter: null },
      creationDate: null,
      contentDate: null,
    });
  });
});

describe('JSON Schema', () => {
  const schemas = jsonSchemas(mpdArea.types);

  it('defines every type that it refers to', () => {
    const refs = (json: Json): string[] => {
      if (typeof json !== 'object' || json === null) return [];
      return Object.entries(json).flatMap(([key, value]) => (key === '$ref' ? [value as string] : refs(value)));
    };
    const used = new Set([...refs(schemas), ...refs(filterTreeSchema())]);
    expect(used.size).toBeGreaterThan(10);
    for (const ref of used) {
      expect({ ...schemas, FilterTree: {} }).toHaveProperty([ref.replace('#/components/schemas/', '')]);
    }
  });

  it('says which fields are needed, which may be null and which subtypes there are', () => {
    expect(schemas.ProductFilter).toMatchObject({
      type: 'object',
      required: [],
      properties: {
        productType: { type: ['string', 'null'] },
        domain: { type: ['array', 'null'], items: { type: 'string' } },
      },
      additionalProperties: false,
    });
    expect(schemas.StandingOrder).toMatchObject({
      required: ['user', 'deliveryMethod'],
      properties: { productFilter: { anyOf: [{ $ref: '#/components/schemas/ProductFilter' }, { type: 'null' }] } },
    });
    expect(schemas.AttributeFilter).toMatchObject({
      discriminator: { propertyName: 'type', mapping: { ValueSet: '#/components/schemas/ValueSet' } },
    });
    expect(schemas.ValueSet).toMatchObject({ required: ['type', 'name', 'include', 'values'] });
    expect(schemas.DeliveryMethodEnum).toMatchObject({
      enum: ['SERVICE_COMPLETE', 'SERVICE_JUST_METADATA', 'FILETRANSFER'],
    });
  });
});
