import { ENUMERATIONS, type Field, operationFields, responseFileFields, TYPES } from './contract.js';
import { OPERATIONS, type Shape, wireName } from './shape.js';

/** The WSDL of a shape, with its one schema inside. It is ours: ESA's is not public. */
export function wsdl(shape: Shape, address: string): string {
  const form = shape.qualified ? 'qualified' : 'unqualified';
  const soapNamespace =
    shape.soap === '1.1' ? 'http://schemas.xmlsoap.org/wsdl/soap/' : 'http://schemas.xmlsoap.org/wsdl/soap12/';
  const elements = OPERATIONS.map((name) => {
    const { input, output } = operationFields(shape, name);
    const wire = shape.operations[name];
    return wrapper(shape, wire, input) + wrapper(shape, `${wire}Response`, output);
  });
  const types = Object.entries(TYPES).map(([name, fields]) => complex(shape, name, fields));
  const enumerations = Object.entries(ENUMERATIONS).map(([name, values]) => {
    const wire = name === 'JobState' ? Object.values(shape.states) : values;
    const items = wire.map((value) => `<xs:enumeration value="${value}"/>`).join('');
    return `   <xs:simpleType name="${name}"><xs:restriction base="xs:string">${items}</xs:restriction></xs:simpleType>\n`;
  });
  const messages = OPERATIONS.map((name) => {
    const wire = shape.operations[name];
    return (
      ` <wsdl:message name="${wire}"><wsdl:part name="parameters" element="tns:${wire}"/></wsdl:message>\n` +
      ` <wsdl:message name="${wire}Response"><wsdl:part name="parameters" element="tns:${wire}Response"/></wsdl:message>\n`
    );
  });
  const port = OPERATIONS.map((name) => {
    const wire = shape.operations[name];
    return (
      `  <wsdl:operation name="${wire}"><wsdl:input message="tns:${wire}"/><wsdl:output message="tns:${wire}Response"/>` +
      `<wsdl:fault name="EddsFault" message="tns:EddsFault"/></wsdl:operation>\n`
    );
  });
  const bound = OPERATIONS.map((name) => {
    return (
      `  <wsdl:operation name="${shape.operations[name]}"><soap:operation soapAction=""/>` +
      `<wsdl:input><soap:body use="literal"/></wsdl:input><wsdl:output><soap:body use="literal"/></wsdl:output>` +
      `<wsdl:fault name="EddsFault"><soap:fault name="EddsFault" use="literal"/></wsdl:fault></wsdl:operation>\n`
    );
  });
  return `<?xml version="1.0" encoding="UTF-8"?>
<!-- This is the WSDL of a simulator. It is not ESA's: the interface of the EGOS Data Dissemination System is not public. -->
<wsdl:definitions name="${shape.service}" targetNamespace="${shape.namespace}" xmlns:tns="${shape.namespace}"
 xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="${soapNamespace}" xmlns:xs="http://www.w3.org/2001/XMLSchema">
 <wsdl:types>
  <xs:schema targetNamespace="${shape.namespace}" elementFormDefault="${form}">
${elements.join('')}${types.join('')}${enumerations.join('')}${responseFile(shape)}   <xs:element name="EddsFault"><xs:complexType><xs:sequence>${[
    { name: 'Code', type: 'string' },
    { name: 'Message', type: 'string' },
    { name: 'RequestId', type: 'string', optional: true },
  ]
    .map((one) => element(shape, one))
    .join('')}</xs:sequence></xs:complexType></xs:element>
   <xs:element name="Token" type="xs:string"/>
  </xs:schema>
 </wsdl:types>
${messages.join('')} <wsdl:message name="EddsFault"><wsdl:part name="fault" element="tns:EddsFault"/></wsdl:message>
 <wsdl:portType name="${shape.portType}">
${port.join('')} </wsdl:portType>
 <wsdl:binding name="${shape.portType}Soap${shape.soap.replace('.', '')}" type="tns:${shape.portType}">
  <soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
${bound.join('')} </wsdl:binding>
 <wsdl:service name="${shape.service}"><wsdl:port name="${shape.port}" binding="tns:${shape.portType}Soap${shape.soap.replace('.', '')}"><soap:address location="${address}"/></wsdl:port></wsdl:service>
</wsdl:definitions>
`;
}

function wrapper(shape: Shape, name: string, fields: readonly Field[]): string {
  return `   <xs:element name="${name}"><xs:complexType>${sequence(shape, fields)}</xs:complexType></xs:element>\n`;
}

function complex(shape: Shape, name: string, fields: readonly Field[]): string {
  const content =
    name === 'Delivery'
      ? `<xs:choice>${fields.map((one) => element(shape, one)).join('')}</xs:choice>`
      : sequence(shape, fields);
  return `   <xs:complexType name="${name}">${content}</xs:complexType>\n`;
}

function responseFile(shape: Shape): string {
  const name = wireName(shape, 'Content');
  const content =
    shape.content === 'inline'
      ? `<xs:element name="${name}" minOccurs="0"><xs:complexType mixed="true"><xs:sequence><xs:any processContents="skip" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>`
      : `<xs:element name="${name}" type="xs:base64Binary" minOccurs="0"/>`;
  const before = responseFileFields(shape).map((one) => element(shape, one));
  return `   <xs:complexType name="ResponseFile"><xs:sequence>${before.join('')}${content}</xs:sequence></xs:complexType>\n`;
}

function sequence(shape: Shape, fields: readonly Field[]): string {
  return `<xs:sequence>${fields.map((one) => element(shape, one)).join('')}</xs:sequence>`;
}

function element(shape: Shape, one: Field): string {
  const own = one.type in TYPES || one.type in ENUMERATIONS || one.type === 'ResponseFile';
  const type = own ? `tns:${one.type}` : `xs:${one.type}`;
  const occurs = (one.optional ? ' minOccurs="0"' : '') + (one.many ? ' maxOccurs="unbounded"' : '');
  return `<xs:element name="${wireName(shape, one.name)}" type="${type}"${occurs}${one.nillable ? ' nillable="true"' : ''}/>`;
}
