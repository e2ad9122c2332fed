/** A namespace of files; without `s3Bucket` nothing can be uploaded to it (spec §2.1). */
export interface PackageDefinition {
  readonly package_id: string;
  readonly name: string;
  readonly description: string;
  readonly s3Bucket?: string;
  /** true: the S3 key is the file path. false: `data_drive/uploads/<ISO time>/<uuid>/<name>`. */
  readonly congruentPaths: boolean;
}

/** A JSON Schema as far as object types use it: flat properties, ranges, nested objects (spec §2.2, §11.1). */
export interface PropertySchema {
  readonly type?: 'string' | 'integer' | 'number' | 'boolean' | 'object' | 'array';
  readonly format?: string;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly items?: PropertySchema;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, PropertySchema>>;
  /** `geojson` marks a GeoJSON geometry. */
  readonly contentMediaType?: string;
}

export interface ObjectTypeDefinition {
  readonly name: string;
  readonly description?: string;
  readonly package_id?: string;
  readonly schema: PropertySchema;
}

/** CSSO users carry the cookie `ssosession`, CAM users `mdmsSsoToken`; both cookie names are accepted for either token. */
export interface UserDefinition {
  readonly user: string;
  readonly token: string;
  readonly family: 'csso' | 'cam';
  readonly groups?: readonly string[];
  /** For the CAM login `POST /json/authenticate`; absent = this user cannot log in again. */
  readonly password?: string;
}

/** Rights on the files of a package below a path. No rules at all: everybody may do everything. */
export interface PolicyRule {
  readonly user?: string;
  readonly group?: string;
  /** Package name or id; `*` = any. */
  readonly package: string;
  readonly pathPrefix: string;
  readonly read: boolean;
  readonly write: boolean;
}

export interface DataDriveSimulatorOptions {
  /** An Elasticsearch 7.17 or 8, or OpenSearch 2, without login. */
  readonly search: { readonly url: string };
  readonly s3: {
    readonly endpoint: string;
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly region?: string;
  };
  /** Put before every index, alias and bucket name, to share servers; default none. */
  readonly prefix?: string;
  /** Default: `m2020-spice` (congruent) and `m2020-spice-nc`. */
  readonly packages?: readonly PackageDefinition[];
  /** Default: the three types of the m2020 data. */
  readonly objectTypes?: readonly ObjectTypeDefinition[];
  readonly users?: readonly UserDefinition[];
  readonly policies?: readonly PolicyRule[];
  /** PEM texts; absent = plain HTTP, which the public client cannot speak but tests can. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Of the middleware and the data endpoint; default 127.0.0.1. The control port is always on 127.0.0.1. */
  readonly host?: string;
  /** 0 = a free one. */
  readonly port?: number;
  readonly controlPort?: number;
  /** Rows of a playback page; default 500. */
  readonly pageSize?: number;
  /** An overwrite gets a new `ocs_dataset_id`; default false. */
  readonly newIdOnOverwrite?: boolean;
  /** Life of a presigned link; default 300. */
  readonly presignedSeconds?: number;
  /** Value of `identity` in events. */
  readonly identity?: string;
}

export const defaultUsers: readonly UserDefinition[] = [
  { user: 'user-a', token: `dev:user-a:${'a'.repeat(32)}`, family: 'csso', groups: ['ops'] },
  { user: 'user-b', token: 'cam-user-b', family: 'cam', groups: ['partners'], password: 'user-b-pw' },
];
