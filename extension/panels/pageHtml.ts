/** The document of a panel: one script, and a policy that lets nothing else in. Pure. */

export interface PageHtmlOptions {
  readonly cspSource: string;
  readonly nonce: string;
  readonly scriptUri: string;
  readonly workerUri: string;
  readonly language: string;
}

/** Styles are constructed by the script; the layout's worker is fetched and made of a blob. */
export function pageHtml({cspSource, nonce, scriptUri, workerUri, language}: PageHtmlOptions): string {
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${cspSource}`,
    'worker-src blob:',
    `connect-src ${cspSource}`,
    'img-src data:',
  ].join('; ');
  return `<!doctype html>
<html lang="${escaped(language)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="mcpx-worker" content="${escaped(workerUri)}">
<title>MCPX</title>
</head>
<body>
<script type="module" nonce="${nonce}" src="${escaped(scriptUri)}"></script>
</body>
</html>
`;
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/"/g, '&quot;').replace(/</g, '&lt;');
}
