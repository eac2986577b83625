/** The only file that calls fetch. */

export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}

/** Where Airflow is mounted: "" or "/some/prefix". */
export const basePath = (): string => {
  const href = document.querySelector("head > base")?.getAttribute("href") ?? "/";
  return new URL(href, location.origin).pathname.replace(/\/$/, "");
};

const detailOf = async (response: Response): Promise<string> => {
  try {
    const body = (await response.json()) as { detail?: unknown };
    return typeof body.detail === "string" ? body.detail : response.statusText;
  } catch {
    return response.statusText;
  }
};

/** The address of an answer that the browser itself fetches. */
export const apiUrl = (path: string): string => `${basePath()}/sematic/api/v1${path}`;

export const getJson = async <T>(path: string, signal: AbortSignal): Promise<T> => {
  const response = await fetch(apiUrl(path), { credentials: "same-origin", signal });
  if (response.status === 401) {
    const next = encodeURIComponent(location.href);
    location.assign(`${basePath()}/api/v2/auth/login?next=${next}`);
  }
  if (!response.ok) {
    throw new ApiError(response.status, await detailOf(response));
  }
  return (await response.json()) as T;
};
