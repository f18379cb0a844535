using SgLang.Tokenization.Normalizers;
using SgLang.Tokenization.PreTokenizers;

namespace SgLang.Tokenization.AddedTokens;

/// <summary>All added tokens, and the first step of encoding: cutting them out and normalizing what remains.</summary>
internal sealed class AddedVocabulary
{
    private readonly Normalizer? _normalizer;
    private readonly AddedTokenTrie _raw;
    private readonly AddedTokenTrie _normalized;
    private readonly Dictionary<int, AddedToken> _byId = [];
    private readonly Dictionary<string, int> _ids = [];

    public AddedVocabulary(IReadOnlyList<AddedToken> tokens, Normalizer? normalizer)
    {
        _normalizer = normalizer;
        foreach (AddedToken token in tokens)
        {
            _byId[token.Id] = token;
            _ids[token.Content] = token.Id;
        }

        _raw = new AddedTokenTrie(tokens.Where(token => !token.Normalized).Select(token => (token.Content, token)));
        _normalized = new AddedTokenTrie(tokens.Where(token => token.Normalized).Select(token => (normalizer?.Normalize(token.Content) ?? token.Content, token)));
    }

    public IEnumerable<AddedToken> Tokens => _byId.Values;

    public bool IsSpecial(int id) => _byId.TryGetValue(id, out AddedToken? token) && token.IsSpecial;

    public string? Token(int id) => _byId.TryGetValue(id, out AddedToken? token) ? token.Content : null;

    public int? Find(string token) => _ids.TryGetValue(token, out int id) ? id : null;

    /// <summary>Calls <paramref name="onToken"/> or <paramref name="onText"/> for each stretch of the text in order; texts are normalized and not empty.</summary>
    public void Split(string text, Action<int> onToken, Action<Piece> onText)
    {
        _raw.Split(text, (start, end, token) =>
        {
            if (token is not null)
            {
                onToken(token.Id);
                return;
            }

            string part = start == 0 && end == text.Length ? text : text[start..end];
            string normal = _normalizer?.Normalize(part) ?? part;
            _normalized.Split(normal, (from, to, inner) =>
            {
                if (inner is not null)
                {
                    onToken(inner.Id);
                }
                else
                {
                    onText(new Piece(normal, from, to - from, AtStart: start == 0 && from == 0));
                }
            });
        });
    }
}
