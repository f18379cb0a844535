namespace SgLang.Tokenization.Templates;

/// <summary>A template that does not come from the model.</summary>
/// <param name="Jinja">Its source.</param>
/// <param name="Stops">Texts that end an answer, beside the request's own.</param>
internal sealed record TemplateSource(string Jinja, IReadOnlyList<string> Stops);
