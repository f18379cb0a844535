using System.Text;
using System.Text.Json;

namespace SgLang.Server.Parsing;

/// <summary>
/// Reads one `{"name": ..., "arguments": ...}` character by character. The name is known as soon as its string ends; the arguments are passed on as
/// they come. "parameters" is another word for "arguments", and arguments written as a JSON string are unwrapped.
/// </summary>
internal sealed class JsonCallReader(Func<string, bool> isKnown)
{
    private readonly StringBuilder _raw = new();
    private readonly StringBuilder _token = new();
    private readonly StringBuilder _arguments = new();
    private string? _key;
    private int _depth;
    private bool _inString;
    private bool _isEscaped;
    private bool _isValue;
    private bool _hasArguments;
    private bool _isCapturing;

    /// <summary>Null until its string has ended, and for a name that no tool has.</summary>
    public string? Name { get; private set; }

    /// <summary>It is no call of a known function; <see cref="Raw"/> is text like any other.</summary>
    public bool IsFailed { get; private set; }

    /// <summary>The closing brace has come.</summary>
    public bool IsDone { get; private set; }

    public string Raw => _raw.ToString();

    /// <summary>Takes the next character of an object that is neither done nor failed.</summary>
    public void Append(char c)
    {
        _raw.Append(c);
        if (_inString) AppendInString(c);
        else if (c == '"') BeginString();
        else AppendStructure(c);
        if (IsDone && Name is null) IsFailed = true;
    }

    /// <summary>Arguments since the last call; "" while the name is not known.</summary>
    public string TakeArguments()
    {
        if (Name is null) return "";
        string taken = _arguments.ToString();
        _arguments.Clear();
        if (IsDone && !_hasArguments)
        {
            _hasArguments = true;
            return "{}";
        }
        return taken;
    }

    private void BeginString()
    {
        if (_depth == 0)
        {
            IsFailed = true;
            return;
        }
        _inString = true;
        if (_isCapturing) _arguments.Append('"');
        if (_depth == 1) _token.Clear();
    }

    private void AppendInString(char c)
    {
        if (_isCapturing) _arguments.Append(c);
        if (_isEscaped) _isEscaped = false;
        else if (c == '\\') _isEscaped = true;
        else if (c == '"')
        {
            _inString = false;
            if (_depth == 1) EndString();
            return;
        }
        if (_depth == 1) _token.Append(c);
    }

    private void EndString()
    {
        if (Unescaped(_token.ToString()) is not { } text)
        {
            IsFailed = true;
            return;
        }
        if (!_isValue)
        {
            _key = text;
            return;
        }
        if (_key == "name" && Name is null)
        {
            if (isKnown(text)) Name = text;
            else IsFailed = true;
        }
        else if (IsArgumentsKey && !_hasArguments)
        {
            _arguments.Append(text);
            _hasArguments = true;
        }
    }

    private void AppendStructure(char c)
    {
        if (_depth == 0)
        {
            if (c == '{') _depth = 1;
            else IsFailed = true;
            return;
        }
        if (_depth == 1 && !_isCapturing)
        {
            AppendMember(c);
            return;
        }
        // Here it captures: a scalar ends where its member does.
        if (_depth == 1 && c is ',' or '}')
        {
            _isCapturing = false;
            AppendMember(c);
            return;
        }
        if (_isCapturing && !(_depth == 1 && char.IsWhiteSpace(c))) _arguments.Append(c);
        if (c is '{' or '[') _depth++;
        else if (c is '}' or ']' && --_depth == 1) _isCapturing = false;
    }

    private void AppendMember(char c)
    {
        switch (c)
        {
            case ':':
                _isValue = true;
                break;
            case ',':
                _isValue = false;
                _key = null;
                break;
            case '}':
                _depth = 0;
                IsDone = true;
                break;
            case ' ' or '\n' or '\r' or '\t':
                break;
            default:
                if (!_isValue)
                {
                    IsFailed = true;
                    break;
                }
                if (IsArgumentsKey && !_hasArguments)
                {
                    _hasArguments = _isCapturing = true;
                    _arguments.Append(c);
                }
                if (c is '{' or '[') _depth++;
                break;
        }
    }

    private bool IsArgumentsKey => _key is "arguments" or "parameters";

    private static string? Unescaped(string inner)
    {
        if (!inner.Contains('\\')) return inner;
        try
        {
            using JsonDocument document = JsonDocument.Parse($"\"{inner}\"");
            return document.RootElement.GetString();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }
}
